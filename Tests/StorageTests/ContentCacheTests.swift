import BlockingTests
import Foundation
import Inference
import Storage
import Synchronization
import Testing

/// A folder that counts what is read, and says of no object that it lies on this machine.
private final class RemoteFolder: ObjectStore {
  let folder: LocalFolder
  let readCount = Mutex(0)
  /// Called before bytes are given.
  let beforeRead: @Sendable () -> Void
  var description: String { "remote" }

  init(_ path: String, beforeRead: @escaping @Sendable () -> Void = {}) throws {
    folder = try LocalFolder(path)
    self.beforeRead = beforeRead
  }

  func put(_ source: FileSlice, at key: ObjectKey, digest: SHA256Digest, _ call: StorageCall) throws(HostError) {
    try folder.put(source, at: key, digest: digest, call)
  }
  func get(
    _ key: ObjectKey, range: Range<Int>?, _ call: StorageCall,
    to sink: @escaping (UnsafeRawBufferPointer) throws(HostError) -> Void
  ) throws(HostError) {
    readCount.withLock { $0 += 1 }
    beforeRead()
    try folder.get(key, range: range, call, to: sink)
  }
  func facts(of key: ObjectKey, _ call: StorageCall) throws(HostError) -> ObjectFacts? {
    try folder.facts(of: key, call)
  }
  func list(
    prefix: String, _ call: StorageCall, _ visit: (ObjectFacts) throws(HostError) -> Void
  ) throws(HostError) { try folder.list(prefix: prefix, call, visit) }
  func delete(_ key: ObjectKey, _ call: StorageCall) throws(HostError) { try folder.delete(key, call) }
}

private final class Arrivals: Sendable {
  private let number = Atomic(0)
  var count: Int { number.load(ordering: .relaxed) }
  func add() { number.add(1, ordering: .relaxed) }
}

@Suite(.blocking) struct `A cache of content` {
  let temporary = TemporaryFolder()
  let call = StorageCall()

  /// Stores so many pieces of content of 1000 bytes each.
  private func fill(_ content: ContentStore, _ count: Int) throws -> [SHA256Digest] {
    try (0..<count).map { number in
      try content.put(temporary.file("x", noise(1000, seed: UInt64(number) + 1)).slice, call).digest
    }
  }

  private var cached: Set<String> {
    Set(temporary.files.keys.filter { $0.hasPrefix("cache/") && $0 != "cache/lock" }.map { String($0.dropFirst(6)) })
  }

  @Test func `evicts what was used longest ago, down to its limit`() throws {
    let store = try RemoteFolder("\(temporary.path)/store")
    let digests = try fill(ContentStore(store), 4)
    let cache = try ContentCache("\(temporary.path)/cache", byteLimit: 3500, ContentStore(store))
    for number in [0, 1, 2, 0, 3] { _ = try cache.open(digests[number], call) }
    #expect(cached == [digests[0].text, digests[2].text, digests[3].text])
    #expect(cache.byteCount == 3000)
    #expect(store.readCount.withLock { $0 } == 4)
  }

  @Test func `never evicts what is open`() throws {
    let store = try RemoteFolder("\(temporary.path)/store")
    let digests = try fill(ContentStore(store), 3)
    let cache = try ContentCache("\(temporary.path)/cache", byteLimit: 2500, ContentStore(store))
    var first: ContentCache.File? = try cache.open(digests[0], call)
    let second = try cache.open(digests[1], call)
    #expect(code { _ = try cache.open(digests[2], call) } == .overloaded)
    #expect(cached == [digests[0].text, digests[1].text])
    #expect(FileManager.default.contents(atPath: first!.path) == Data(noise(1000)))
    first = nil
    _ = try cache.open(digests[2], call)
    #expect(cached == [digests[1].text, digests[2].text])
    withExtendedLifetime(second) {}
  }

  @Test func `keeps what it has rather than make too little room`() throws {
    let store = try RemoteFolder("\(temporary.path)/store")
    let digests = try fill(ContentStore(store), 1)
    let large = try ContentStore(store).put(temporary.file("l", noise(5000)).slice, call).digest
    let cache = try ContentCache("\(temporary.path)/cache", byteLimit: 3000, ContentStore(store))
    _ = try cache.open(digests[0], call)
    #expect(code { _ = try cache.open(large, call) } == .overloaded)
    #expect(cached == [digests[0].text])
  }

  @Test func `remembers its content and the order of use after a restart`() throws {
    let store = try RemoteFolder("\(temporary.path)/store")
    let digests = try fill(ContentStore(store), 3)
    do {
      let cache = try ContentCache("\(temporary.path)/cache", byteLimit: 3000, ContentStore(store))
      for number in [0, 1, 0] { _ = try cache.open(digests[number], call) }
    }
    let cache = try ContentCache("\(temporary.path)/cache", byteLimit: 2000, ContentStore(store))
    _ = try cache.open(digests[0], call)
    #expect(store.readCount.withLock { $0 } == 2)
    _ = try cache.open(digests[2], call)
    #expect(cached == [digests[0].text, digests[2].text])
  }

  @Test func `is used by one at a time`() throws {
    let store = ContentStore(try RemoteFolder("\(temporary.path)/store"))
    let cache = try ContentCache("\(temporary.path)/cache", byteLimit: 1, store)
    #expect(code { _ = try ContentCache("\(temporary.path)/cache", byteLimit: 1, store) } == .conflict)
    withExtendedLifetime(cache) {}
  }

  @Test func `fetches once for many who want the same`() throws {
    // The fetch ends when all others have come.
    let arrivals = Arrivals()
    let store = try RemoteFolder("\(temporary.path)/store") { _ = holds { arrivals.count == 6 } }
    let digest = try fill(ContentStore(store), 1)[0]
    let cache = try ContentCache("\(temporary.path)/cache", byteLimit: 5000, ContentStore(store))
    let paths = Mutex<[String]>([])
    let threads = (0..<6).map { _ in
      let thread = Thread {
        arrivals.add()
        if let file = try? cache.open(digest, StorageCall()) { paths.withLock { $0.append(file.path) } }
      }
      thread.start()
      return thread
    }
    #expect(holds { threads.allSatisfy(\.isFinished) })
    #expect(paths.withLock { $0.count } == 6)
    #expect(store.readCount.withLock { $0 } == 1)
  }

  @Test func `lets another try after a fetch that failed`() throws {
    let store = try RemoteFolder("\(temporary.path)/store")
    let digest = try fill(ContentStore(store), 1)[0]
    let cache = try ContentCache("\(temporary.path)/cache", byteLimit: 5000, ContentStore(store))
    let path = store.folder.localPath(of: ObjectKey(content: digest))!
    try Data(noise(1000, seed: 9)).write(to: URL(fileURLWithPath: path))
    #expect(code { _ = try cache.open(digest, call) } == .internalError)
    #expect(cached == [] && cache.byteCount == 0)
    try Data(noise(1000)).write(to: URL(fileURLWithPath: path))
    _ = try cache.open(digest, call)
    #expect(cached == [digest.text])
  }

  @Test func `fetches anew what was damaged between two processes`() throws {
    let store = try RemoteFolder("\(temporary.path)/store")
    let digest = try fill(ContentStore(store), 1)[0]
    do {
      let cache = try ContentCache("\(temporary.path)/cache", byteLimit: 5000, ContentStore(store))
      _ = try cache.open(digest, call)
    }
    _ = try temporary.file("cache/\(digest)", noise(1000, seed: 9))
    let cache = try ContentCache("\(temporary.path)/cache", byteLimit: 5000, ContentStore(store))
    #expect(FileManager.default.contents(atPath: try cache.open(digest, call).path) == Data(noise(1000)))
    #expect(store.readCount.withLock { $0 } == 2)
  }

  @Test func `gives out no damaged content of a local folder`() throws {
    let folder = try LocalFolder("\(temporary.path)/store")
    let digest = try fill(ContentStore(folder), 1)[0]
    let cache = try ContentCache("\(temporary.path)/cache", byteLimit: 1, ContentStore(folder))
    _ = try cache.open(digest, call)
    _ = try temporary.file("store/\(ObjectKey(content: digest))", noise(1000, seed: 9))
    #expect(code { _ = try cache.open(digest, call) } == .internalError)
  }

  @Test func `uses content of a local folder where it lies`() throws {
    let store = ContentStore(try LocalFolder("\(temporary.path)/store"))
    let digest = try fill(store, 1)[0]
    let cache = try ContentCache("\(temporary.path)/cache", byteLimit: 1, store)
    #expect(try cache.open(digest, call).path == "\(temporary.path)/store/\(ObjectKey(content: digest))")
    #expect(cached == [])
    try store.delete(digest, call)
    #expect(code { _ = try cache.open(digest, call) } == .notFound)
  }
}
