import BlockingTests
import Foundation
import Inference
import Storage
import Synchronization
import Testing
import Wire

@Suite(.blocking, .enabled(if: Server.isThere, Server.needs)) struct `A bucket of S3` {
  let temporary = TemporaryFolder()
  let call = StorageCall()
  let bucket: S3Bucket
  let store: S3Store

  init() throws {
    bucket = try S3Bucket()
    store = try bucket.store()
  }

  @Test func `gives back what was stored, with its digest`() throws {
    let key = try ObjectKey("models/ü b+~$&=@:,;%'()*!/1")
    let file = try temporary.file("x", noise(300_000))
    try store.put(file, at: key)
    #expect(try store.bytes(of: key) == noise(300_000))
    #expect(try store.bytes(of: key, range: 5..<11) == Array(noise(300_000)[5..<11]))
    #expect(try store.bytes(of: key, range: 299_990..<Int.max) == Array(noise(300_000)[299_990...]))
    #expect(code { _ = try store.bytes(of: key, range: 300_000..<300_001) } == .invalidRequest)
    #expect(
      try store.facts(of: key, call)
        == ObjectFacts(key: key, byteCount: 300_000, digest: file.slice.sha256(call)))
  }

  @Test func `stores an empty object`() throws {
    try store.put(temporary.file("x", []), at: ObjectKey("empty"))
    #expect(try store.bytes(of: ObjectKey("empty")) == [])
    #expect(try store.facts(of: ObjectKey("empty"), call)?.byteCount == 0)
  }

  @Test func `tells what isn't there`() throws {
    let key = try ObjectKey("nothing")
    #expect(try store.facts(of: key, call) == nil)
    #expect(code { _ = try store.bytes(of: key) } == .notFound)
    try store.delete(key, call)
  }

  @Test func `lists over pages and deletes`() throws {
    let file = try temporary.file("x", noise(3))
    for number in 0..<7 { try store.put(file, at: ObjectKey("a/\(number)&<>")) }
    try store.put(file, at: ObjectKey("b"))
    #expect(try store.keys("a/") == (0..<7).map { "a/\($0)&<>" })
    try store.delete(ObjectKey("a/3&<>"), call)
    #expect(try store.keys() == [0, 1, 2, 4, 5, 6].map { "a/\($0)&<>" } + ["b"])
  }

  @Test func `sends large objects in parts`() throws {
    let store = try bucket.store { $0.partByteCount = 5 << 20 }
    let file = try temporary.file("x", noise(12 << 20))
    try store.put(file, at: ObjectKey("large"))
    #expect(try store.bytes(of: ObjectKey("large")) == noise(12 << 20))
    let parts = try bucket.server.requests().filter { $0.target.contains("partNumber") }
    #expect(parts.map(\.byteCount) == [5 << 20, 5 << 20, 2 << 20])
    #expect(try store.facts(of: ObjectKey("large"), call)?.digest == file.slice.sha256(call))
  }

  @Test func `keeps content once`() throws {
    let content = ContentStore(store)
    let file = try temporary.file("x", noise(1000))
    #expect(try content.put(file.slice, call).isNew)
    #expect(try !content.put(file.slice, call).isNew)
    #expect(try bucket.server.requests().filter { $0.method == "PUT" }.count == 1)
  }

  // MARK: Faults

  @Test(arguments: [(500, "InternalError"), (503, "SlowDown"), (429, "TooManyRequests"), (400, "RequestTimeout")])
  func `tries again after a server's fault`(status: Int, code: String) throws {
    let key = try ObjectKey("k")
    try bucket.server.meet(
      .status(status, code).on("PUT", count: 2), .status(status, code).on("GET", count: 2),
      .status(status).on("HEAD", count: status == 400 ? 0 : 2), .status(status, code).on("DELETE", count: 2))
    try store.put(temporary.file("x", noise(100)), at: key)
    #expect(try store.bytes(of: key) == noise(100))
    #expect(try store.facts(of: key, call)?.byteCount == 100)
    try store.delete(key, call)
    #expect(try store.facts(of: key, call) == nil)
  }

  @Test func `gives up after its tries, and says how many`() throws {
    let store = try bucket.store { $0.retry.maxTries = 3 }
    try bucket.server.meet(.status(503, "SlowDown").on("GET", count: 100))
    do {
      _ = try store.bytes(of: ObjectKey("k"))
      Issue.record("nothing is thrown")
    } catch let error as HostError {
      #expect(error.code == .overloaded)
      #expect(error.message == "\(store.description): reading k: 503 SlowDown (3 tries)")
    }
    #expect(try bucket.server.requests().count == 3)
  }

  @Test func `waits as long as it is asked to`() throws {
    try bucket.server.meet(.status(503, "SlowDown", retryAfter: 1).on("HEAD"))
    let start = ContinuousClock.now
    _ = try store.facts(of: ObjectKey("k"), call)
    #expect(.now - start >= .seconds(1))
  }

  @Test func `doesn't try again what is refused`() throws {
    let store = try bucket.store(secret: "wrong")
    do {
      _ = try store.bytes(of: ObjectKey("k"))
      Issue.record("nothing is thrown")
    } catch let error as HostError {
      #expect(error.code == .storageRefused)
      #expect(error.message.contains("403 SignatureDoesNotMatch"))
      #expect(!error.message.contains("wrong"))
    }
    #expect(try bucket.server.requests().count == 1)
  }

  @Test(arguments: ["reset", "truncate"]) func `goes on where a transfer has stopped`(kind: String) throws {
    let key = try ObjectKey("k")
    try store.put(temporary.file("x", noise(3_000_000)), at: key)
    try bucket.server.meet(
      .at(kind, bytes: 1_000_000).on("GET"), .at(kind, bytes: 5).on("GET"), .at(kind, bytes: 700_000).on("GET"))
    #expect(try store.bytes(of: key) == noise(3_000_000))
    let starts = try bucket.server.requests().filter { $0.method == "GET" }.map { request in
      request.headers["range"].flatMap { Int($0.dropFirst(6).prefix { $0 != "-" }) } ?? 0
    }
    // Bytes that a reset overtakes are lost, so it isn't said how many arrive of each.
    #expect(starts.count == 4 && starts.sorted() == starts)
    #expect(kind == "reset" || starts == [0, 1_000_000, 1_000_005, 1_700_005])
  }

  @Test func `notices when an object changes between two parts`() throws {
    let key = try ObjectKey("k")
    try store.put(temporary.file("x", noise(3_000_000)), at: key)
    try bucket.server.meet(.at("truncate", bytes: 1_000_000).on("GET"))
    var isReplaced = false
    #expect(
      code {
        try store.get(key, range: nil, call) { (_) throws(HostError) in
          if !isReplaced {
            isReplaced = true
            do { try store.put(temporary.file("y", noise(3_000_000, seed: 2)), at: key) } catch {
              throw HostError(.internalError, "\(error)")
            }
          }
        }
      } == .conflict)
  }

  @Test func `fetches anew what arrives damaged`() throws {
    let content = ContentStore(store)
    let stored = try content.put(temporary.file("x", noise(100_000)).slice, call)
    let cache = try ContentCache("\(temporary.path)/c", byteLimit: 1 << 20, content)
    try bucket.server.meet(.at("corrupt", bytes: 70_000).on("GET"))
    let file = try cache.open(stored.digest, call)
    #expect(FileManager.default.contents(atPath: file.path) == Data(noise(100_000)))
  }

  @Test func `keeps nothing that stays damaged`() throws {
    let content = ContentStore(store)
    let stored = try content.put(temporary.file("x", noise(100_000)).slice, call)
    let cache = try ContentCache("\(temporary.path)/c", byteLimit: 1 << 20, content)
    try bucket.server.meet(.at("corrupt", bytes: 0).on("GET", count: 100))
    #expect(code { _ = try cache.open(stored.digest, call) } == .internalError)
    #expect(temporary.files.filter { $0.key.hasPrefix("c/") && $0.value > 0 } == [:])
  }

  @Test func `sends a part again whose answer was lost`() throws {
    let store = try bucket.store { $0.partByteCount = 5 << 20 }
    try bucket.server.meet(
      Server.Fault.lose.on("PUT", "partNumber=2"), Server.Fault.lose.on("POST", "uploadId"),
      .status(500, "InternalError").on("PUT", "partNumber=1"))
    try store.put(temporary.file("x", noise(11 << 20)), at: ObjectKey("large"))
    #expect(try store.bytes(of: ObjectKey("large")) == noise(11 << 20))
  }

  @Test func `has a failed upload's parts removed`() throws {
    let store = try bucket.store {
      $0.partByteCount = 5 << 20
      $0.retry.maxTries = 2
    }
    try bucket.server.meet(.status(500, "InternalError").on("PUT", "partNumber=2", count: 2))
    #expect(code { try store.put(temporary.file("x", noise(6 << 20)), at: ObjectKey("large")) } == .overloaded)
    #expect(try bucket.server.requests().last.map { $0.method == "DELETE" && $0.target.contains("uploadId") } == true)
    #expect(try store.facts(of: ObjectKey("large"), call) == nil)
  }

  @Test func `goes by the server's clock when its own is wrong`() throws {
    try bucket.server.setClock(ahead: 3600)
    try store.put(temporary.file("x", noise(10)), at: ObjectKey("k"))
    #expect(try store.bytes(of: ObjectKey("k")) == noise(10))
    // Learned once, not with each request.
    #expect(try bucket.server.requests().map { $0.refusal != nil } == [true, false, false])
  }

  @Test func `ends a slow transfer when it is cancelled or late`() throws {
    let key = try ObjectKey("k")
    try store.put(temporary.file("x", noise(1_000_000)), at: key)
    try bucket.server.meet(.at("slow", bytes: 10_000).on("GET", count: 2))
    #expect(
      code { _ = try store.bytes(of: key, StorageCall(deadline: .now + .milliseconds(700))) } == .deadlineExceeded)
    let cancelled = StorageCall()
    #expect(
      code { try store.get(key, range: nil, cancelled) { (_) throws(HostError) in cancelled.cancel() } } == .cancelled)
  }

  @Test func `ends a call that nobody answers when it is cancelled or late`() throws {
    try bucket.server.meet(Server.Fault.stall.on("HEAD", count: 2))
    #expect(
      code { _ = try store.facts(of: ObjectKey("k"), StorageCall(deadline: .now + .milliseconds(300))) }
        == .deadlineExceeded)
    let cancelled = StorageCall()
    Thread.detachNewThread { [server = bucket.server] in
      // It is under way when the server has it.
      _ = holds { (try? server.requests().count) == 2 }
      cancelled.cancel()
    }
    #expect(code { _ = try store.facts(of: ObjectKey("k"), cancelled) } == .cancelled)
  }

  @Test func `serves many threads at once`() throws {
    let failures = Mutex<[String]>([])
    let threads = (0..<8).map { number in
      let thread = Thread { [temporary, store] in
        do {
          let key = try ObjectKey("k\(number)")
          try store.put(temporary.file("x\(number)", noise(50_000, seed: UInt64(number) + 1)), at: key)
          if try store.bytes(of: key) != noise(50_000, seed: UInt64(number) + 1) { throw POSIXError(.EILSEQ) }
        } catch { failures.withLock { $0.append("\(error)") } }
      }
      thread.start()
      return thread
    }
    #expect(holds(limit: .seconds(60)) { threads.allSatisfy(\.isFinished) })
    #expect(failures.withLock { $0 } == [])
  }

  @Test func `is trusted only with a certificate that is`() throws {
    let server = try Server("s3.py", [S3Bucket.keyID, S3Bucket.secret, "eu-north-1", "models", temporary.path])
    let trusting = try bucket.store {
      $0.endpoint = server.address
      $0.caFile = "\(temporary.path)/ca.pem"
    }
    try trusting.put(temporary.file("x", noise(10)), at: ObjectKey("k"))
    #expect(try trusting.bytes(of: ObjectKey("k")) == noise(10))
    let other = try bucket.store { $0.endpoint = server.address }
    #expect(code { _ = try other.keys() } == .internalError)
    #expect(try server.requests().count == 2)
  }

  @Test func `says that nobody answers`() throws {
    let store = try bucket.store {
      $0.endpoint = "http://127.0.0.1:1"
      $0.retry.maxTries = 2
    }
    #expect(code { _ = try store.bytes(of: ObjectKey("k")) } == .overloaded)
  }
}
