import Storage
import Synchronization

extension ObjectStore {
  /// An object's bytes, whole in memory as no store has them.
  func bytes(of key: ObjectKey, range: Range<Int>? = nil, _ call: StorageCall = StorageCall()) throws -> [UInt8] {
    let all = Mutex<[UInt8]>([])
    try get(key, range: range, call) { piece in all.withLock { $0 += piece } }
    return all.withLock { $0 }
  }

  func keys(_ prefix: String = "") throws -> [String] {
    var keys: [String] = []
    try list(prefix: prefix, StorageCall()) { keys.append($0.key.text) }
    return keys.sorted()
  }

  func put(_ file: OpenFile, at key: ObjectKey, _ call: StorageCall = StorageCall()) throws {
    try put(file.slice, at: key, digest: file.slice.sha256(call), call)
  }
}
