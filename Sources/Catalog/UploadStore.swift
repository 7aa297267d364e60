import Glibc
import Inference
import Storage
import Threads

/// Content of uploads in storage. Works on content of one digest for one caller at a time, in the order in which they
/// came: what one finds there isn't deleted by another meanwhile.
actor UploadStore {
  nonisolated let place: UploadPlace
  /// Where transfers block.
  private nonisolated let threads = RunThreads(name: "uploads", limit: 4)
  /// Whoever waits for a digest that somebody works on.
  private var waiting: [SHA256Digest: [CheckedContinuation<Void, Never>]] = [:]
  private var cleaning: Task<Void, Never>?
  private var isCleaningWanted = false

  init(_ place: UploadPlace) { self.place = place }

  deinit { threads.end() }

  // MARK: Turns

  /// Calls `body` while nobody else works on content of this digest.
  nonisolated func inTurn<Value: Sendable>(
    _ digest: SHA256Digest, _ body: () async throws(HostError) -> Value
  ) async throws(HostError) -> Value {
    await begin(digest)
    do throws(HostError) {
      let value = try await body()
      await end(digest)
      return value
    } catch {
      await end(digest)
      throw error
    }
  }

  private func begin(_ digest: SHA256Digest) async {
    guard waiting[digest] != nil else { return waiting[digest] = [] }
    await withCheckedContinuation { waiting[digest, default: []].append($0) }
  }

  private func end(_ digest: SHA256Digest) {
    guard var others = waiting[digest], !others.isEmpty else { return waiting[digest] = nil }
    let next = others.removeFirst()
    waiting[digest] = others
    next.resume()
  }

  // MARK: Transfers

  /// Stores a file that has this digest, unless it is there.
  ///
  /// - Throws: `.storageRefused` and `.storageUnavailable`, beside what isn't the storage's fault.
  nonisolated func put(_ path: String, _ digest: SHA256Digest) async throws(HostError) {
    try await threads.blocking { () throws(HostError) in
      let file = open(path, O_RDONLY | O_CLOEXEC)
      guard file >= 0 else { throw Files.failure("content \(digest) can't be read") }
      defer { close(file) }
      do throws(HostError) {
        _ = try place.open().put(FileSlice(descriptor: file), digest: digest, StorageCall())
      } catch {
        throw HostError(Self.code(of: error), error.description)
      }
    }
  }

  nonisolated func delete(_ digest: SHA256Digest) async throws(HostError) {
    try await threads.blocking { () throws(HostError) in try place.open().delete(digest, StorageCall()) }
  }

  private static func code(of error: HostError) -> HostError.Code {
    switch error.code {
    // Not this host is overloaded.
    case .overloaded: .storageUnavailable
    // Of what is being stored only the bucket can be missing.
    case .notFound: .storageRefused
    default: error.code
    }
  }

  // MARK: Cleaning

  /// Has `body` called soon, once for all who want it meanwhile.
  func clean(_ body: @escaping @Sendable () async -> Void) {
    isCleaningWanted = true
    guard cleaning == nil else { return }
    cleaning = Task { while self.takeWish() { await body() } }
  }

  private func takeWish() -> Bool {
    defer { isCleaningWanted = false }
    if !isCleaningWanted { cleaning = nil }
    return isCleaningWanted
  }
}
