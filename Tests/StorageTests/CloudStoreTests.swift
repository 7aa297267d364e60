import BlockingTests
import Foundation
import Inference
import Storage
import Testing

/// What every provider does, whoever asks.
private func checkStore(_ store: some ObjectStore, _ temporary: TemporaryFolder, partByteCount: Int) throws {
  let call = StorageCall()
  let small = try temporary.file("small", noise(100_000))
  let large = try temporary.file("large", noise(2 * partByteCount + 5))
  let key = try ObjectKey("a/ü b+~$&=@:,;%'()*!<>")
  try store.put(small, at: key)
  try store.put(large, at: ObjectKey("large"))
  try store.put(temporary.file("empty", []), at: ObjectKey("empty"))
  #expect(try store.bytes(of: key) == noise(100_000))
  #expect(try store.bytes(of: key, range: 7..<9) == Array(noise(100_000)[7..<9]))
  #expect(code { _ = try store.bytes(of: key, range: 100_000..<100_001) } == .invalidRequest)
  #expect(try store.bytes(of: ObjectKey("large")) == noise(2 * partByteCount + 5))
  #expect(try store.bytes(of: ObjectKey("empty")) == [])
  #expect(
    try store.facts(of: ObjectKey("large"), call)
      == ObjectFacts(key: ObjectKey("large"), byteCount: 2 * partByteCount + 5, digest: large.slice.sha256(call)))
  for number in 0..<4 { try store.put(small, at: ObjectKey("b/\(number)")) }
  #expect(try store.keys() == [key.text, "b/0", "b/1", "b/2", "b/3", "empty", "large"])
  #expect(try store.keys("b/") == ["b/0", "b/1", "b/2", "b/3"])
  try store.delete(key, call)
  try store.delete(key, call)
  #expect(try store.facts(of: key, call) == nil)
  #expect(code { _ = try store.bytes(of: key) } == .notFound)
}

/// Faults on the way to any provider.
private func checkFaults(_ store: some ObjectStore, _ server: Server, _ temporary: TemporaryFolder) throws {
  let key = try ObjectKey("k")
  try server.meet(
    .status(503, "ServerBusy").on("PUT"), Server.Fault.lose.on("PUT"), .at("truncate", bytes: 1_000_000).on("GET"),
    .status(500, "InternalError").on("GET"), .at("reset", bytes: 1_000_000).on("GET"))
  try store.put(temporary.file("x", noise(3_000_000)), at: key)
  #expect(try store.bytes(of: key) == noise(3_000_000))
  let content = ContentStore(store)
  let stored = try content.put(temporary.file("y", noise(1000)).slice, StorageCall())
  try server.meet(.at("corrupt", bytes: 999).on("GET"))
  let cache = try ContentCache("\(temporary.path)/cache", byteLimit: 1 << 20, content)
  let file = try cache.open(stored.digest, StorageCall())
  #expect(FileManager.default.contents(atPath: file.path) == Data(noise(1000)))
  // A link that is slow, and one that stays silent, end with the caller's patience.
  try server.meet(.at("slow", bytes: 10_000).on("GET", count: 100), Server.Fault.stall.on("HEAD", count: 100))
  let late = { StorageCall(deadline: .now + .milliseconds(500)) }
  #expect(code { _ = try store.bytes(of: key, late()) } == .deadlineExceeded)
  #expect(code { _ = try store.facts(of: key, late()) } == .deadlineExceeded)
  // What stays is told, as what it is.
  try server.meet(.status(503, "SlowDown").on("GET", count: 100), .status(500, "InternalError").on("PUT", count: 100))
  #expect(code { _ = try store.bytes(of: key) } == .overloaded)
  #expect(code { try store.put(temporary.file("z", noise(10)), at: key) } == .overloaded)
  try server.meet(.at("corrupt", bytes: 0).on("GET", count: 100))
  let other = try ContentCache("\(temporary.path)/other", byteLimit: 1 << 20, content)
  #expect(code { _ = try other.open(stored.digest, StorageCall()) } == .internalError)
  try server.meet()
}

@Suite(.blocking, .enabled(if: Server.isThere, Server.needs)) struct `A bucket of Google` {
  let temporary = TemporaryFolder()
  let server: Server

  init() throws { server = try Server("gcs.py", ["GOOGTEST", "hmac-secret", "models", temporary.path]) }

  private func store(_ credentials: GoogleCredentials) throws -> GoogleStore {
    var settings = S3Settings(bucket: "models")
    settings.endpoint = server.address
    settings.partByteCount = 5 << 20
    settings.retry.firstPause = .milliseconds(5)
    return try GoogleStore(settings, credentials)
  }

  private var account: GoogleCredentials {
    get throws {
      try GoogleCredentials(environment: ["GOOGLE_APPLICATION_CREDENTIALS": "\(temporary.path)/account.json"])
    }
  }

  @Test func `is used with a service account`() throws {
    let store = try store(account)
    try checkStore(store, temporary, partByteCount: 5 << 20)
    try checkFaults(store, server, temporary)
    // One token for all of it.
    #expect(try server.requests().filter { $0.target == "/token" }.count == 1)
    #expect(try server.requests().allSatisfy { $0.refusal == nil })
  }

  @Test(arguments: [-7200, 7200]) func `goes by the server's clock when its own is wrong`(ahead: Int) throws {
    try server.setClock(ahead: ahead)
    // How long an answer takes is no part of the difference.
    try server.meet(.late(seconds: 2).on("POST", "/token"))
    let store = try store(account)
    #expect(try store.keys() == [])
    #expect(try server.requests().filter { $0.target == "/token" }.count == 2)
    let signing = try self.store(.hmac(keyID: "GOOGTEST", secret: Secret("hmac-secret")))
    #expect(try signing.keys() == [])
  }

  @Test func `gets another token when one is refused`() throws {
    let store = try store(account)
    #expect(try store.keys() == [])
    #expect(try self.store(account).keys() == [])
    #expect(try store.keys() == [])
    #expect(try server.requests().filter { $0.target == "/token" }.count == 3)
  }

  @Test func `is used with HMAC keys`() throws {
    let store = try store(.hmac(keyID: "GOOGTEST", secret: Secret("hmac-secret")))
    try checkStore(store, temporary, partByteCount: 5 << 20)
    #expect(try server.requests().allSatisfy { $0.refusal == nil })
    let wrong = try self.store(.hmac(keyID: "GOOGTEST", secret: Secret("other")))
    #expect(code { _ = try wrong.keys() } == .storageRefused)
  }

  @Test func `is used with the machine's token`() throws {
    let metadata = try Server("metadata.py", ["k", "s"])
    let host = String(metadata.address.dropFirst("http://".count))
    let store = try store(GoogleCredentials(environment: ["GCE_METADATA_HOST": host]))
    #expect(try store.keys() == [])
    #expect(try metadata.requests().count == 1)
  }

  @Test func `says whose key isn't one`() throws {
    #expect(code { _ = try store(.serviceAccount(json: Secret("{}"))) } == .storageRefused)
    let json = #"{"client_email": "a@b", "private_key": "no key", "token_uri": "\#(server.address)/token"}"#
    #expect(code { _ = try store(.serviceAccount(json: Secret(json))).keys() } == .storageRefused)
  }
}

@Suite(.blocking, .enabled(if: Server.isThere, Server.needs)) struct `A container of Azure` {
  private static let key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
  let temporary = TemporaryFolder()
  let server: Server

  init() throws { server = try Server("azure_blobs.py", ["testaccount", Self.key, "models", temporary.path]) }

  private func store(_ credentials: AzureCredentials) throws -> AzureStore {
    var settings = AzureSettings(account: "testaccount", container: "models")
    settings.endpoint = "\(server.address)/testaccount"
    settings.partByteCount = 1 << 20
    settings.retry.firstPause = .milliseconds(5)
    return try AzureStore(settings, credentials)
  }

  @Test func `is used with the account's key`() throws {
    let store = try store(.sharedKey(Secret(Self.key)))
    try checkStore(store, temporary, partByteCount: 1 << 20)
    try checkFaults(store, server, temporary)
    #expect(try server.requests().allSatisfy { $0.refusal == nil })
  }

  @Test func `is used with a shared access signature`() throws {
    let sas = try String(contentsOfFile: "\(temporary.path)/sas", encoding: .utf8)
    let store = try store(.sas(Secret(sas)))
    try checkStore(store, temporary, partByteCount: 1 << 20)
    #expect(try server.requests().allSatisfy { $0.refusal == nil })
  }

  @Test func `is used with the machine's identity`() throws {
    let metadata = try Server("metadata.py", ["k", "s"])
    let store = try store(.managedIdentity(service: metadata.address))
    try checkStore(store, temporary, partByteCount: 1 << 20)
    #expect(try metadata.requests().count == 1)
  }

  @Test func `goes by the server's clock when its own is wrong`() throws {
    let store = try store(.sharedKey(Secret(Self.key)))
    try server.setClock(ahead: -7200)
    #expect(try store.keys() == [])
    #expect(try store.keys() == [])
    #expect(try server.requests().map { $0.refusal != nil } == [true, false, false])
  }

  @Test func `says that its key is refused, without the key`() throws {
    let wrong = "AAAA" + Self.key.dropFirst(4)
    do {
      _ = try store(.sharedKey(Secret(wrong))).keys()
      Issue.record("nothing is thrown")
    } catch let error as HostError {
      #expect(error.code == .storageRefused)
      #expect(error.message.contains("AuthenticationFailed") && !error.message.contains("AAAA"))
    }
    #expect(code { _ = try store(.sharedKey(Secret("no base 64"))) } == .storageRefused)
    #expect(code { _ = try store(.sas(Secret("sv=1&sig=x"))).keys() } == .storageRefused)
  }
}
