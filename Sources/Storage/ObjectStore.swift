package import Inference

/// Bytes under names, to be read: in a folder or at a provider of object storage.
///
/// Every call blocks its thread until it is done, cancelled or too late: call off event loops and off Swift's
/// cooperative pool. Sources are safe to use from many threads. No object is ever whole in memory.
///
/// Errors name the source, the key and the provider's status, never a secret: `.notFound`; `.conflict` where the object
/// or what is stored changed meanwhile; `.overloaded` for what may work later, after it has been tried again;
/// `.cancelled` and `.deadlineExceeded` from `call`; `.storageRefused` for credentials that are missing or don't do;
/// `.internalError` for damaged content.
package protocol ObjectSource: Sendable {
  /// For messages, as `s3 bucket models at minio.local:9000`.
  var description: String { get }

  /// Hands the object's bytes to `sink` in order, in pieces of at most 1 MB. Whether they are the right ones is up to
  /// the caller: `ContentStore` checks.
  ///
  /// - Parameter range: Of bytes; nil for all. What lies behind the end is left out; a start behind it is
  ///   `.invalidRequest`.
  func get(
    _ key: ObjectKey, range: Range<Int>?, _ call: StorageCall,
    to sink: @escaping (UnsafeRawBufferPointer) throws(HostError) -> Void
  ) throws(HostError)

  /// Nil if there is no such object.
  func facts(of key: ObjectKey, _ call: StorageCall) throws(HostError) -> ObjectFacts?

  /// Visits all objects whose key starts with `prefix`, in no particular order, while they change or not. Names that are
  /// no `ObjectKey` are left out.
  func list(
    prefix: String, _ call: StorageCall, _ visit: (ObjectFacts) throws(HostError) -> Void
  ) throws(HostError)
}

/// Objects that can be stored and deleted, too.
package protocol ObjectStore: ObjectSource {
  /// Stores the source's bytes under `key`, in place of what was there. Others see the old bytes or all of the new.
  ///
  /// - Parameter digest: Of `source`; bytes that differ from it are not stored.
  func put(_ source: FileSlice, at key: ObjectKey, digest: SHA256Digest, _ call: StorageCall) throws(HostError)

  /// Does nothing where there is no such object.
  func delete(_ key: ObjectKey, _ call: StorageCall) throws(HostError)

  /// Where the object lies on this machine, if it does.
  func localPath(of key: ObjectKey) -> String?
}

extension ObjectStore {
  package func localPath(of key: ObjectKey) -> String? { nil }
}

extension ObjectSource {
  func noSuch(_ key: ObjectKey) -> HostError { HostError(.notFound, "\(description) has no object \(key)") }

  func beyondEnd(of key: ObjectKey, from start: Int) -> HostError {
    HostError(.invalidRequest, "\(description): object \(key) ends before byte \(start)")
  }
}

/// What a store knows of an object without reading it.
package struct ObjectFacts: Sendable, Equatable {
  package let key: ObjectKey
  package let byteCount: Int
  /// What whoever stored it says of its content; nil in lists and where another program stored it.
  package let digest: SHA256Digest?

  package init(key: ObjectKey, byteCount: Int, digest: SHA256Digest? = nil) {
    self.key = key
    self.byteCount = byteCount
    self.digest = digest
  }
}
