import BlockingTests
import Foundation
import Inference
import StadionClient
import Storage
import Testing
import Wire

/// Uploads that a real host puts into storage.
@Suite(.blocking, .enabled(if: Setup.hasStorage, Comment(rawValue: Setup.needsStorage)))
struct `Uploads kept in storage` {
  let server: ObjectServer
  let folder = TemporaryFolder()

  init() throws { server = try ObjectServer.s3() }

  /// On one folder all the time: what the last host left is there.
  private func host(
    _ arguments: String..., uploads: String? = nil, environment: [String: String] = ObjectServer.credentials
  ) throws -> Host {
    try Host(
      ["--data", "\(folder.path)/data", "--storage-uploads", uploads ?? server.source("/kept")] + arguments,
      folder: folder, environment: environment)
  }

  private func kill(_ host: Host) throws {
    host.command.send(SIGKILL)
    _ = try host.command.wait()
  }

  /// A model of its own bytes that gives back what it is given, and its SHA-256.
  private func model(_ number: UInt8) throws -> (file: String, digest: String) {
    var model = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Setup.onnx("identity"))))
    // A field that no reader of models knows.
    model += [0xFA, 0x7F, 1, number]
    return (try folder.write("x\(number).onnx", model), Setup.sha256(model))
  }

  private func push(_ host: Host, _ file: String, _ name: String) throws {
    let result = try host.stadion("model", "push", file, name)
    #expect(result.status == 0, "\(result.errors)\(host.command.errors)")
  }

  private func object(_ digest: String) -> String { "kept/sha256/\(digest.prefix(2))/\(digest.dropFirst(2))" }

  private func facts(_ digest: String) throws -> ObjectFacts? {
    try StorageLocation(server.source()).open(environment: ObjectServer.credentials)
      .facts(of: ObjectKey(object(digest)), StorageCall())
  }

  private func asked(_ method: String, _ digest: String) throws -> Int {
    try server.requests().filter { $0.method == method && $0.target.contains(object(digest)) }.count
  }

  private func serves(_ host: Host, _ model: String) -> Bool {
    let values = Array(repeating: Float(1.5), count: 16)
    return (try? host.infer(model, floats("INPUT0", [1, 16], values))) == [floats("OUTPUT0", [1, 16], values)]
  }

  private func versions(_ host: Host) throws -> [JSONValue] {
    try host.json("GET", "/v1/versions")["versions"]?.array ?? []
  }

  private func isHere(_ digest: String) -> Bool {
    FileManager.default.fileExists(
      atPath: "\(folder.path)/data/content/sha256/\(digest.prefix(2))/\(digest.dropFirst(2))")
  }

  // MARK: What works

  @Test func `a push is in the bucket under its digest, once`() throws {
    let host = try host()
    let (file, digest) = try model(1)
    try push(host, file, "m")
    let size = try [UInt8](Data(contentsOf: URL(fileURLWithPath: file))).count
    #expect(
      try facts(digest)
        == ObjectFacts(key: ObjectKey(object(digest)), byteCount: size, digest: SHA256Digest(digest)))
    try push(host, file, "other")
    #expect(try asked("PUT", digest) == 1)
    #expect(serves(host, "m") && serves(host, "other"))
    // Where the operator keeps it is no business of theirs.
    let files = try host.json("GET", "/v1/models/m/versions/1")["files"]?.array ?? []
    #expect(files.count == 1 && files.first?["uri"] == nil && files.first?["sha256"]?.string == digest)
  }

  @Test func `nobody can name what is kept`() throws {
    let host = try host("--storage-sources", server.source("/team"))
    let (file, digest) = try model(1)
    try push(host, file, "m")
    let answer = try host.json("POST", "/v1/models/m/versions", "{\"uri\":\"s3://models/\(object(digest))\"}")
    #expect(answer["code"] == "forbidden")
  }

  @Test(arguments: ["/kept", "/kept/sha256", ""]) func `no source can have what is kept`(path: String) throws {
    let error = #expect(throws: Host.NotReady.self) { try host("--storage-sources", server.source(path)) }
    #expect(error?.description.contains("overlaps with s3://models\(path)") == true, "\(error?.description ?? "")")
  }

  @Test(arguments: ["", "/data", "/data/content"]) func `a host doesn't keep uploads in its own folder`(path: String)
    throws
  {
    let error = #expect(throws: Host.NotReady.self) { try host(uploads: "file://\(folder.path)\(path)") }
    #expect(error?.description.contains("the host's own folder") == true, "\(error?.description ?? "")")
  }

  @Test func `content that is lost comes back`() throws {
    let (file, digest) = try model(1)
    let first = try host()
    try push(first, file, "m")
    try kill(first)
    try folder.remove("data/content")
    let again = try host()
    #expect(holds { serves(again, "m") }, "\(again.state)")
    #expect(isHere(digest))
  }

  @Test func `what isn't served goes when the cache is full, and comes back when it is`() throws {
    let host = try host("--storage-cache-bytes", "1")
    let models = try (1...3).map { try model($0) }
    for (number, model) in models.enumerated() { try push(host, model.file, "m:\(number + 1)") }
    #expect(models.map { isHere($0.digest) } == [false, false, true])
    let promoted = try host.stadion("model", "promote", "m:1")
    #expect(promoted.status == 0, "\(promoted.errors)")
    #expect(isHere(models[0].digest) && serves(host, "m"))

    // Another's bytes under its name aren't taken for it.
    let key = object(models[1].digest)
    try server.delete(key)
    try server.put(models[2].file, at: key)
    let refused = try host.stadion("model", "promote", "m:2")
    #expect(refused.status == 1 && refused.errors.contains("has SHA-256 \(models[2].digest)"), "\(refused.errors)")
    #expect(!isHere(models[1].digest) && serves(host, "m"))
  }

  @Test func `what was uploaded before, and what was kept elsewhere, is kept from the next start on`() throws {
    let (old, moved) = (try model(1), try model(2))
    let elsewhere = TemporaryFolder()
    let first = try Host(["--data", "\(folder.path)/data"], folder: folder)
    for name in ["m:1", "same:1"] { try push(first, old.file, name) }
    try kill(first)
    let second = try host(uploads: "file://\(elsewhere.path)")
    try push(second, moved.file, "m:2")
    try kill(second)
    let third = try host()
    #expect(try holds { try facts(old.digest) != nil && facts(moved.digest) != nil }, "\(third.command.errors)")
    #expect(holds { third.command.errors.contains("put earlier uploads into storage") })
    try kill(third)
    try folder.remove("data/content")
    try elsewhere.remove("sha256")
    let fourth = try host()
    #expect(holds { serves(fourth, "m") && serves(fourth, "same") }, "\(fourth.state)")
    #expect(try fourth.stadion("model", "promote", "m:1").status == 0)
    #expect(try asked("PUT", old.digest) == 1 && asked("PUT", moved.digest) == 1)
  }

  @Test func `what can't be put into storage stays here`() throws {
    let (old, moved) = (try model(1), try model(2))
    let first = try Host(["--data", "\(folder.path)/data"], folder: folder)
    try push(first, old.file, "m:1")
    try kill(first)
    let second = try host()
    try push(second, moved.file, "m:2")
    try kill(second)
    try server.meet("status", "elsewhere", count: 1000, method: "PUT", .init("status", 403))
    let third = try host("--storage-cache-bytes", "1", uploads: server.source("/elsewhere"))
    #expect(holds { third.command.errors.contains("uploads are on this machine alone") })
    #expect(try third.stadion("model", "promote", "m:1").status == 0)
    #expect(try third.stadion("model", "promote", "m:2").status == 0)
    #expect(isHere(old.digest) && isHere(moved.digest))
  }

  @Test func `a folder keeps uploads, too`() throws {
    let place = TemporaryFolder()
    let (file, digest) = try model(1)
    let object = "\(place.path)/sha256/\(digest.prefix(2))/\(digest.dropFirst(2))"
    let first = try host(uploads: "file://\(place.path)")
    try push(first, file, "m")
    #expect(FileManager.default.contentsEqual(atPath: object, andPath: file))
    try kill(first)
    try folder.remove("data/content")
    let again = try host(uploads: "file://\(place.path)")
    #expect(holds { serves(again, "m") }, "\(again.state)")
    #expect(try again.stadion("model", "archive", "m:1").status == 0)
    #expect(try again.stadion("model", "purge", "m:1").status == 0)
    #expect(holds { !FileManager.default.fileExists(atPath: object) })
  }

  /// Pushes a model, loses it and has it back.
  private func goesAround(_ uploads: String, _ environment: [String: String]) throws {
    let (file, digest) = try model(1)
    let first = try host(uploads: uploads, environment: environment)
    try push(first, file, "m")
    let store = try StorageLocation(uploads).open(environment: environment)
    #expect(try store.facts(of: ObjectKey(content: #require(SHA256Digest(digest))), StorageCall()) != nil)
    try kill(first)
    try folder.remove("data/content")
    let again = try host(uploads: uploads, environment: environment)
    #expect(holds { serves(again, "m") }, "\(again.state)")
  }

  @Test func `a bucket of Google keeps uploads, too`() throws {
    let google = try ObjectServer("gcs.py", ["GOOGTEST", "hmac-secret", "models", folder.path])
    try goesAround(
      "gs://models/kept?endpoint=\(google.address)",
      ["GOOGLE_HMAC_KEY_ID": "GOOGTEST", "GOOGLE_HMAC_SECRET": "hmac-secret"])
  }

  @Test func `a container of Azure keeps uploads, too`() throws {
    let key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    let azure = try ObjectServer("azure_blobs.py", ["testaccount", key, "models", folder.path])
    try goesAround(
      "azure://testaccount/models/kept?endpoint=\(azure.address)/testaccount", ["AZURE_STORAGE_KEY": key])
  }

  // MARK: Purge

  private func purge(_ host: Host, _ version: String) throws {
    #expect(try host.stadion("model", "archive", version).status == 0)
    #expect(try host.stadion("model", "purge", version).status == 0)
  }

  @Test func `an object goes with the last version that has it`() throws {
    let host = try host()
    let (file, digest) = try model(1)
    let other = try model(2)
    for name in ["m:1", "other:1"] { try push(host, file, name) }
    try push(host, other.file, "more:1")
    try purge(host, "m:1")
    // Objects go in the order of their notes, one by one.
    try purge(host, "more:1")
    #expect(try holds { try facts(other.digest) == nil })
    #expect(try facts(digest) != nil)
    try purge(host, "other:1")
    #expect(try holds { try facts(digest) == nil })
    // It can come again.
    try push(host, file, "m:1")
    #expect(try facts(digest) != nil)
  }

  @Test func `an object that can't be deleted goes after the next start`() throws {
    let (file, digest) = try model(1)
    let first = try host()
    try push(first, file, "m:1")
    try server.meet("status", object(digest), count: 1000, method: "DELETE", .init("status", 403))
    try purge(first, "m:1")
    #expect(holds { first.command.errors.contains("objects that no version needs are still in storage") })
    try kill(first)
    #expect(try facts(digest) != nil)
    try server.meet("status", count: 0)
    let again = try host()
    #expect(try holds { try facts(digest) == nil }, "\(again.command.errors)")
  }

  @Test func `an object that the bucket retains doesn't keep others`() throws {
    let host = try host()
    // In the order in which they are deleted.
    let models = try (1...2).map { try model($0) }.sorted { $0.digest < $1.digest }
    for (number, model) in models.enumerated() { try push(host, model.file, "m\(number):1") }
    try server.meet("status", object(models[0].digest), count: 1000, method: "DELETE", .init("status", 403))
    for number in 0...1 { try purge(host, "m\(number):1") }
    #expect(try holds { try facts(models[1].digest) == nil })
    #expect(try facts(models[0].digest) != nil)
  }

  @Test func `content that comes while its object is being deleted is put again`() throws {
    let host = try host()
    let (file, digest) = try model(1)
    try push(host, file, "m:1")
    // The deletion waits before its second try.
    try server.meet(
      "status", object(digest), method: "DELETE", .init("status", 503), .init("retry_after", 3))
    try purge(host, "m:1")
    #expect(try holds { try asked("DELETE", digest) == 1 })
    try push(host, file, "other:1")
    #expect(try asked("DELETE", digest) == 2 && asked("PUT", digest) == 2)
    #expect(try facts(digest) != nil)
  }

  @Test func `an object that a registration has seen isn't deleted under it`() throws {
    let host = try host()
    let (file, digest) = try model(1)
    try push(host, file, "m:1")
    #expect(try host.stadion("model", "archive", "m:1").status == 0)
    try folder.copy(file, to: "version/model.onnx")
    let notes = Array("notes".utf8)
    try folder.write("version/notes.bin", notes)
    let other = object(Setup.sha256(notes))
    try server.meet("status", other, method: "PUT", .init("status", 503), .init("retry_after", 3))
    let push = try Command(
      [Setup.stadion, "model", "push", "\(folder.path)/version", "other", "--socket", host.socket])
    #expect(try holds { try asked("PUT", Setup.sha256(notes)) == 1 })
    #expect(try host.stadion("model", "purge", "m:1").status == 0)
    #expect(try push.wait().status == 0, "\(push.errors)")
    #expect(try asked("DELETE", digest) == 0 && facts(digest) != nil)
  }

  // MARK: What goes wrong

  @Test func `a host killed before the transaction has registered nothing, and cleans up`() throws {
    let (file, digest) = try model(1)
    let first = try host()
    // The object is stored; nobody is told.
    try server.meet("stall", object(digest), method: "PUT")
    let push = try Command([Setup.stadion, "model", "push", file, "m", "--socket", first.socket])
    #expect(try holds { try facts(digest) != nil })
    try kill(first)
    #expect(try push.wait().status != 0)
    let again = try host()
    #expect(try versions(again) == [])
    #expect(try holds { try facts(digest) == nil }, "\(again.command.errors)")
    #expect(!isHere(digest))
    try self.push(again, file, "m")
    #expect(try facts(digest) != nil && serves(again, "m"))
  }

  @Test(arguments: [
    ["AWS_SECRET_ACCESS_KEY": "other"], ["AWS_ACCESS_KEY_ID": "AKIAOTHER"], ["AWS_ACCESS_KEY_ID": ""],
  ])
  func `credentials that don't do refuse the push`(change: [String: String]) throws {
    let host = try host(environment: ObjectServer.credentials.merging(change) { $1 })
    let (file, digest) = try model(1)
    let result = try host.stadion("model", "push", file, "m")
    #expect(result.status == 1 && result.errors.contains("can't be kept in storage"), "\(result.errors)")
    #expect(!(result.errors + host.command.errors).contains(ObjectServer.secret))
    #expect(try versions(host) == [] && !isHere(digest))
  }

  @Test func `a bucket that isn't there refuses the push`() throws {
    let host = try host(uploads: server.source().replacing("s3://models", with: "s3://absent"))
    let answer = try register(host, try model(1).file)
    #expect(answer["code"] == "storageRefused", "\(answer.text)")
    #expect(try versions(host) == [])
  }

  /// Uploads a file and asks for its registration.
  private func register(_ host: Host, _ file: String) throws -> JSONValue {
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
    let id = try host.client.beginUpload(byteCount: bytes.count, sha256: Setup.sha256(bytes))
    try host.client.upload(bytes, to: id, at: 0)
    return try host.json(
      "POST", "/v1/models/m/versions", "{\"files\":[{\"path\":\"model.onnx\",\"upload\":\"\(id)\"}]}")
  }

  @Test(arguments: ["status", "lose"]) func `a fault on the way is overcome`(kind: String) throws {
    let host = try host()
    let (file, digest) = try model(1)
    try server.meet(
      kind, object(digest), count: 2, method: "PUT", .init("status", 503), .init("code", "SlowDown"))
    try push(host, file, "m")
    #expect(try facts(digest) != nil && asked("PUT", digest) == 3)
    #expect(serves(host, "m"))
  }

  @Test(arguments: ["status", "reset", "truncate", "corrupt"]) func `a fault on the way back is overcome`(
    kind: String
  ) throws {
    let (file, digest) = try model(1)
    let first = try host()
    try push(first, file, "m")
    try kill(first)
    try folder.remove("data/content")
    try server.meet(
      kind, object(digest), .init("bytes", 40), .init("status", 503), .init("code", "SlowDown"))
    let again = try host()
    #expect(holds { serves(again, "m") }, "\(again.state)")
    #expect(try asked("GET", digest) == 2)
  }

  @Test(arguments: ["PUT", "HEAD"]) func `a storage that is away registers nothing, and the same upload later`(
    method: String
  ) throws {
    let host = try host()
    let (file, digest) = try model(1)
    try server.meet(
      "status", object(digest), count: 1000, method: method, .init("status", 503), .init("code", "SlowDown"))
    let answer = try register(host, file)
    #expect(answer["code"] == "storageUnavailable", "\(answer.text)")
    #expect(try versions(host) == [] && !isHere(digest))
    try server.meet("status", count: 0)
    let result = try host.stadion("model", "push", file, "m")
    #expect(result.status == 0 && result.errors.contains("goes on at byte"), "\(result.errors)")
    #expect(try facts(digest) != nil && serves(host, "m"))
  }

  @Test func `a model that no runner loads doesn't come to the bucket`() throws {
    let host = try host()
    let result = try host.stadion("model", "push", try folder.write("model.onnx", "no model"), "m")
    #expect(result.status == 1 && result.errors.contains("not registered"), "\(result.errors)")
    #expect(try server.requests().allSatisfy { !$0.target.contains("sha256") })
  }

  // MARK: Size

  @Test func `200 MB go in parts, and take little of the host's memory`() throws {
    let host = try host()
    folder.makeFolder("large")
    try folder.copy(Setup.onnx("identity"), to: "large/model.onnx")
    let file = open("\(folder.path)/large/notes.bin", O_WRONLY | O_CREAT, 0o600)
    var block = [UInt8](repeating: 7, count: 1 << 20)
    for number in 0..<200 {
      withUnsafeBytes(of: number) { block.replaceSubrange(0..<8, with: $0) }
      #expect(write(file, block, block.count) == block.count)
    }
    close(file)
    let before = host.residentBytes
    var peak = 0
    let push = try Command(
      [Setup.stadion, "model", "push", "\(folder.path)/large", "m", "--socket", host.socket])
    #expect(
      holds(limit: .seconds(120)) {
        peak = max(peak, host.residentBytes)
        return push.status != nil
      })
    #expect(push.status == 0, "\(push.errors)\(host.command.errors)")
    print("200 MB pushed and kept; resident memory grew by \((peak - before) >> 20) MB at most")
    #expect(peak - before < 64 << 20)
    let files = try host.json("GET", "/v1/models/m/versions/1")["files"]?.array ?? []
    let digest = try #require(files.first { $0["path"] == "notes.bin" }?["sha256"]?.string)
    #expect(try facts(digest)?.byteCount == 200 << 20)
    #expect(try server.requests().filter { $0.target.contains("partNumber") }.count == 13)
  }
}

/// What `stadion model push` leaves on the host when it comes to nothing.
@Suite(.blocking, .enabled(if: Setup.hasOnnxRuntime, Comment(rawValue: Setup.needsOnnxRuntime)))
struct `Uploads of a push that is refused` {
  @Test func `are deleted, and don't count as stored`() throws {
    let folder = TemporaryFolder()
    let host = try Host(["--data", "\(folder.path)/data"], folder: folder)
    let result = try host.stadion("model", "push", try folder.write("model.onnx", "no model"), "m")
    #expect(result.status == 1, "\(result.errors)")
    #expect(try host.json("GET", "/v1/uploads")["uploads"] == [])
    #expect(try host.json("GET", "/v1/quota")["now"]?["storedBytes"] == 0)
  }

  @Test func `are deleted where a later one has no room`() throws {
    let folder = TemporaryFolder()
    let host = try Host(["--data", "\(folder.path)/data", "--quota-stored-bytes", "1000"], folder: folder)
    try folder.write("version/a.bin", [UInt8](repeating: 1, count: 600))
    try folder.write("version/b.bin", [UInt8](repeating: 2, count: 600))
    let result = try host.stadion("model", "push", "\(folder.path)/version", "m")
    #expect(result.status == 1 && result.errors.contains("600 more are wanted"), "\(result.errors)")
    #expect(try host.json("GET", "/v1/uploads")["uploads"] == [])
  }
}
