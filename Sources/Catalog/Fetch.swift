import Inference
import Storage
import Synchronization

/// Content that has been fetched and lies in the store of content.
package struct FetchedContent: Sendable {
  let digest: SHA256Digest
  let byteCount: Int
  /// Where it can be fetched again.
  let uri: String
}

/// A transfer as those see it who wait for it, and end it.
final class Fetch: Sendable {
  let call = StorageCall()
  private let done = Atomic<Int>(0)
  private let total = Atomic<Int>(-1)
  private let whole = Atomic<Bool>(false)

  var byteCount: Int { done.load(ordering: .relaxed) }
  /// Nil before it is known.
  var totalBytes: Int? {
    let total = total.load(ordering: .relaxed)
    return total < 0 ? nil : total
  }
  /// All bytes are here; a runner loads them.
  var isWhole: Bool { whole.load(ordering: .relaxed) }

  func begin(totalBytes: Int) { total.store(totalBytes, ordering: .relaxed) }
  func add(_ byteCount: Int) { done.add(byteCount, ordering: .relaxed) }
  func end() { whole.store(true, ordering: .relaxed) }
}
