import Foundation
import Inference
import Storage
import Testing

@Suite struct `A local folder` {
  let temporary = TemporaryFolder()
  let call = StorageCall()

  @Test func `keeps content once under its digest`() throws {
    let store = ContentStore(try LocalFolder("\(temporary.path)/store"))
    let first = try store.put(temporary.file("a", "abc".utf8).slice, call)
    let second = try store.put(temporary.file("b", "abc".utf8).slice, call)
    // The digest of FIPS 180-4's example.
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    #expect(first.digest.text == digest)
    #expect(first.isNew && !second.isNew)
    #expect(
      temporary.files.filter { $0.key.hasPrefix("store") } == ["store/sha256/ba/\(digest.dropFirst(2))": 3])
  }

  @Test func `replaces an object whole`() throws {
    let store = try LocalFolder(temporary.path)
    let key = try ObjectKey("models/a b/1")
    try store.put(temporary.file("x", noise(700_000)), at: key)
    try store.put(temporary.file("y", noise(5, seed: 2)), at: key)
    #expect(try store.bytes(of: key) == noise(5, seed: 2))
    #expect(try store.facts(of: key, call)?.byteCount == 5)
  }

  @Test(arguments: [(0..<5, 0..<5), (3..<700_000, 3..<700_000), (699_999..<Int.max, 699_999..<700_000)])
  func `reads ranges`(asked: Range<Int>, given: Range<Int>) throws {
    let store = try LocalFolder(temporary.path)
    let key = try ObjectKey("k")
    try store.put(temporary.file("x", noise(700_000)), at: key)
    #expect(try store.bytes(of: key, range: asked) == Array(noise(700_000)[given]))
  }

  @Test func `refuses a range behind the end`() throws {
    let store = try LocalFolder(temporary.path)
    try store.put(temporary.file("x", noise(7)), at: ObjectKey("k"))
    #expect(code { _ = try store.bytes(of: ObjectKey("k"), range: 7..<9) } == .invalidRequest)
  }

  @Test func `lists by prefix and deletes`() throws {
    let store = try LocalFolder("\(temporary.path)/s")
    let file = try temporary.file("x", noise(7))
    for key in ["a/1", "a/2", "ab", "b/a/1"] { try store.put(file, at: ObjectKey(key)) }
    #expect(try store.keys() == ["a/1", "a/2", "ab", "b/a/1"])
    #expect(try store.keys("a") == ["a/1", "a/2", "ab"])
    #expect(try store.keys("a/") == ["a/1", "a/2"])
    #expect(try store.keys("b/a") == ["b/a/1"])
    #expect(try store.keys("../") == [])
    try store.delete(ObjectKey("a/1"), call)
    try store.delete(ObjectKey("a/1"), call)
    #expect(try store.keys("a") == ["a/2", "ab"])
    #expect(code { _ = try store.bytes(of: ObjectKey("a/1")) } == .notFound)
    #expect(try store.facts(of: ObjectKey("a"), call) == nil)
  }

  @Test func `refuses bytes that aren't what their digest says`() throws {
    let store = try LocalFolder("\(temporary.path)/s")
    let file = try temporary.file("x", noise(7))
    let other = try temporary.file("y", noise(8)).slice.sha256(call)
    #expect(code { try store.put(file.slice, at: ObjectKey("k"), digest: other, call) } == .conflict)
    #expect(temporary.files.keys.filter { $0.hasPrefix("s/") } == [])
  }

  @Test func `says when a folder has an object's name`() throws {
    let store = try LocalFolder("\(temporary.path)/s")
    let file = try temporary.file("x", noise(7))
    try store.put(file, at: ObjectKey("a/b"))
    #expect(code { try store.put(file, at: ObjectKey("a")) } == .conflict)
    #expect(code { try store.put(file, at: ObjectKey("a/b/c")) } == .conflict)
  }

  @Test func `leaves nothing of a cancelled put`() throws {
    let store = try LocalFolder("\(temporary.path)/s")
    let file = try temporary.file("x", noise(7))
    let digest = try file.slice.sha256(call)
    let cancelled = StorageCall()
    cancelled.cancel()
    #expect(code { try store.put(file.slice, at: ObjectKey("k"), digest: digest, cancelled) } == .cancelled)
    let late = StorageCall(deadline: .now)
    #expect(code { try store.put(file.slice, at: ObjectKey("k"), digest: digest, late) } == .deadlineExceeded)
    #expect(temporary.files.keys.filter { $0.hasPrefix("s/") } == [])
  }

  @Test func `stores a stream up to its limit`() throws {
    let store = ContentStore(try LocalFolder("\(temporary.path)/s"))
    func put(limit: Int) throws -> ContentStore.Stored {
      let pipe = Pipe()
      try pipe.fileHandleForWriting.write(contentsOf: Data(noise(3000)))
      try pipe.fileHandleForWriting.close()
      return try store.put(
        stream: pipe.fileHandleForReading.fileDescriptor, folder: temporary.path, limit: limit, call)
    }
    #expect(code { _ = try put(limit: 2999) } == .quotaExceeded)
    let stored = try put(limit: 3000)
    #expect(try store.store.bytes(of: ObjectKey(content: stored.digest)) == noise(3000))
    #expect(temporary.files.count == 1)
  }

  @Test func `removes what dead writers left, and nothing of live ones`() throws {
    let store = try LocalFolder("\(temporary.path)/s")
    _ = try temporary.file("s/.incoming/1-dead", noise(7))
    let live = try temporary.file("s/.incoming/1-live", noise(7))
    #expect(flock(live.descriptor, LOCK_EX) == 0)
    _ = try LocalFolder(store.root)
    #expect(temporary.files == ["s/.incoming/1-live": 7])
  }

  @Test func `follows no link out of the folder`() throws {
    let store = try LocalFolder("\(temporary.path)/s")
    symlink("/etc/passwd", "\(temporary.path)/s/k")
    #expect(code { _ = try store.bytes(of: ObjectKey("k")) } != nil)
    #expect(try store.facts(of: ObjectKey("k"), call) == nil)
    #expect(try store.keys() == [])
  }
}
