package import Inference

/// The objects of another store below one name, under names of their own.
package struct PrefixedStore<Store: ObjectStore>: ObjectStore {
  private let store: Store
  private let prefix: ObjectKey

  package var description: String { "\(store.description) below \(prefix)" }

  package init(_ store: Store, _ prefix: ObjectKey) {
    self.store = store
    self.prefix = prefix
  }

  private func whole(_ key: ObjectKey) throws(HostError) -> ObjectKey { try ObjectKey("\(prefix)/\(key)") }

  package func put(
    _ source: FileSlice, at key: ObjectKey, digest: SHA256Digest, _ call: StorageCall
  ) throws(HostError) { try store.put(source, at: whole(key), digest: digest, call) }

  package func get(
    _ key: ObjectKey, range: Range<Int>?, _ call: StorageCall,
    to sink: @escaping (UnsafeRawBufferPointer) throws(HostError) -> Void
  ) throws(HostError) { try store.get(whole(key), range: range, call, to: sink) }

  package func facts(of key: ObjectKey, _ call: StorageCall) throws(HostError) -> ObjectFacts? {
    try store.facts(of: whole(key), call).map { ObjectFacts(key: key, byteCount: $0.byteCount, digest: $0.digest) }
  }

  package func list(
    prefix: String, _ call: StorageCall, _ visit: (ObjectFacts) throws(HostError) -> Void
  ) throws(HostError) {
    try store.list(prefix: "\(self.prefix)/\(prefix)", call) { (facts) throws(HostError) in
      guard let key = ObjectKey(ifValid: String(facts.key.text.dropFirst(self.prefix.text.count + 1))) else { return }
      try visit(ObjectFacts(key: key, byteCount: facts.byteCount, digest: facts.digest))
    }
  }

  package func delete(_ key: ObjectKey, _ call: StorageCall) throws(HostError) {
    try store.delete(whole(key), call)
  }

  package func localPath(of key: ObjectKey) -> String? { (try? whole(key)).flatMap { store.localPath(of: $0) } }
}
