import BlockingTests
import Foundation
import Inference
import StadionClient
import Testing
import Wire

/// Models that a real host fetches from storage.
@Suite(.blocking, .enabled(if: Setup.hasStorage, Comment(rawValue: Setup.needsStorage)))
struct `Registering by URI` {
  let server: ObjectServer

  init() throws {
    server = try ObjectServer.s3()
    try server.put(Setup.onnx("identity"), at: "team/identity.onnx")
  }

  private func host(
    _ sources: [String]? = nil, folder: TemporaryFolder = TemporaryFolder(), _ arguments: String...,
    environment: [String: String] = ObjectServer.credentials
  ) throws -> Host {
    let sources = sources ?? [server.source("/team")]
    return try Host(
      ["--data", "\(folder.path)/data", "--storage-sources", sources.joined(separator: " ")] + arguments,
      folder: folder,
      environment: environment)
  }

  private func register(_ host: Host, _ name: String, _ more: String...) throws -> Command.Result {
    try Command.run(
      [Setup.stadion, "model", "register", name, "--socket", host.socket] + more, limit: .seconds(60))
  }

  /// Begins a job and waits for its end.
  private func job(_ host: Host, _ model: String, _ body: String) throws -> JSONValue {
    let begun = try host.send("POST", "/v1/models/\(model)/versions", body)
    #expect(begun.status == 202, "\(String(decoding: begun.body, as: UTF8.self))")
    return try end(host, JSONValue(parsing: begun.body)["id"]?.string ?? "")
  }

  private func end(_ host: Host, _ id: String) throws -> JSONValue {
    var job = JSONValue.null
    #expect(
      try holds(limit: .seconds(60)) {
        job = try host.json("GET", "/v1/jobs/\(id)")
        return !["queued", "running"].contains(job["state"]?.string)
      }, "\(job.text)")
    return job
  }

  /// What of a failed registration is left in a host's folder.
  private func remains(_ host: Host) throws -> [String] {
    let data = "\(host.folder.path)/data"
    return try ["content", "fetches", "models", "uploads"].flatMap { folder in
      (FileManager.default.enumerator(atPath: "\(data)/\(folder)")?.allObjects as? [String] ?? [])
        .filter { name in
          var status = stat()
          return lstat("\(data)/\(folder)/\(name)", &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        }.map { "\(folder)/\($0)" }
    } + (host.json("GET", "/v1/versions")["versions"]?.array ?? []).map(\.text)
  }

  /// Whether the model gives back what it is given.
  private func serves(_ host: Host, _ model: String) throws -> Bool {
    let values = Array(repeating: Float(1.5), count: 16)
    return try host.infer(model, floats("INPUT0", [1, 16], values)) == [floats("OUTPUT0", [1, 16], values)]
  }

  private func makeLarge(_ folder: TemporaryFolder, megabytes: Int) throws -> String {
    let path = "\(folder.path)/large"
    let file = open(path, O_WRONLY | O_CREAT, 0o600)
    defer { close(file) }
    var block = [UInt8](repeating: 7, count: 1 << 20)
    for number in 0..<megabytes {
      withUnsafeBytes(of: number) { block.replaceSubrange(0..<8, with: $0) }
      #expect(write(file, block, block.count) == block.count)
    }
    return path
  }

  // MARK: What works

  @Test func `a model in a bucket serves, and says where it came from`() throws {
    let host = try host()
    let model = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Setup.onnx("identity"))))
    let digest = Setup.sha256(model)
    let result = try register(
      host, "m:3", "--uri", "s3://models/team/identity.onnx", "--sha256", digest, "--tag", "git=1a2b")
    #expect(result.output == "m:3 is registered; \(model.count) bytes\n", "\(result.errors)")
    #expect(try serves(host, "m"))
    let version = try host.json("GET", "/v1/models/m/versions/3")
    #expect(version["tags"] == ["git": "1a2b"])
    #expect(
      version["files"] == [
        [
          "path": "model.onnx", "sha256": .string(digest), "bytes": .integer(model.count),
          "uri": "s3://models/team/identity.onnx",
        ]
      ])
    let jobs = try host.json("GET", "/v1/jobs")["jobs"]?.array ?? []
    #expect(jobs.map { $0["state"] } == ["done"] && jobs.first?["version"] == "3")
  }

  @Test func `a folder of a bucket is a version's folder`() throws {
    try server.put(Setup.onnx("identity"), at: "team/v7/model.onnx")
    try server.put(Setup.onnx("identity"), at: "team/v7/notes/more.bin")
    try server.put(Setup.onnx("identity"), at: "team/v7/.hidden")
    let host = try host()
    let job = try job(host, "m", #"{"uri":"s3://models/team/v7/"}"#)
    #expect(job["state"] == "done" && job["version"] == "1", "\(job.text)")
    let files = try host.json("GET", "/v1/models/m/versions/1")["files"]?.array ?? []
    #expect(files.map { $0["path"]?.string } == ["model.onnx", "notes/more.bin"])
    #expect(files.last?["uri"] == "s3://models/team/v7/notes/more.bin")
  }

  @Test func `a folder of the host is a source, and links lead nowhere else`() throws {
    let folder = TemporaryFolder()
    try folder.copy(Setup.onnx("identity"), to: "shared/good/model.onnx")
    try folder.copy(Setup.onnx("identity"), to: "secret/model.onnx")
    folder.makeFolder("shared/bad")
    for (name, target) in [("bad/model.onnx", "secret/model.onnx"), ("linked", "secret")] {
      try FileManager.default.createSymbolicLink(
        atPath: "\(folder.path)/shared/\(name)", withDestinationPath: "\(folder.path)/\(target)")
    }
    let host = try host(["file://\(folder.path)/shared"], folder: folder)
    #expect(try job(host, "good", "{\"uri\":\"file://\(folder.path)/shared/good\"}")["state"] == "done")
    for path in ["bad", "bad/model.onnx", "linked", "linked/model.onnx"] {
      let job = try job(host, "bad", "{\"uri\":\"file://\(folder.path)/shared/\(path)\"}")
      #expect(job["error"]?["code"] == "notFound", "\(job.text)")
    }
    for path in ["shared/../secret/model.onnx", "secret/model.onnx", "sharedness"] {
      #expect(
        try host.json("POST", "/v1/models/bad/versions", "{\"uri\":\"file://\(folder.path)/\(path)\"}")["code"]
          == "forbidden")
    }
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/shared").sorted() == [
        "bad", "good", "linked",
      ])
  }

  @Test func `a bucket of Google is a source`() throws {
    let folder = TemporaryFolder()
    let google = try ObjectServer("gcs.py", ["GOOGTEST", "hmac-secret", "models", folder.path])
    let variables = ["GOOGLE_HMAC_KEY_ID": "GOOGTEST", "GOOGLE_HMAC_SECRET": "hmac-secret"]
    let source = "gs://models?endpoint=\(google.address)"
    try ObjectServer.put(Setup.onnx("identity"), at: "a/model.onnx", source, variables)
    let host = try host([source + "&credentials-file=\(folder.path)/account.json"], folder: folder, environment: [:])
    let job = try job(host, "m", #"{"uri":"gs://models/a"}"#)
    #expect(job["state"] == "done", "\(job.text)")
    #expect(try serves(host, "m"))
  }

  @Test(arguments: ["key-file", "sas-file"]) func `a container of Azure is a source`(credentials: String) throws {
    let key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    let folder = TemporaryFolder()
    let azure = try ObjectServer("azure_blobs.py", ["testaccount", key, "models", folder.path])
    let source = "azure://testaccount/models?endpoint=\(azure.address)/testaccount"
    try ObjectServer.put(Setup.onnx("identity"), at: "a/model.onnx", source, ["AZURE_STORAGE_KEY": key])
    let file = credentials == "sas-file" ? "\(folder.path)/sas" : try folder.write("key", key + "\n")
    let host = try host(
      [source + "&\(credentials)=\(file)"], folder: folder, environment: ["AZURE_STORAGE_KEY": "AAAA"])
    for (model, uri) in [
      ("a", "az://testaccount/models/a"), ("b", "https://testaccount.blob.core.windows.net/models/a/model.onnx"),
    ] {
      let job = try job(host, model, "{\"uri\":\"\(uri)\"}")
      #expect(job["state"] == "done", "\(job.text)")
      #expect(try serves(host, model))
    }
  }

  @Test func `the machine's credentials do where no others are set`() throws {
    let metadata = try ObjectServer("metadata.py", [ObjectServer.keyID, ObjectServer.secret, "expired"])
    let host = try host(environment: ["AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.address])
    // The first that it gives out are refused as expired.
    let job = try job(host, "m", #"{"uri":"s3://models/team/identity.onnx"}"#)
    #expect(job["state"] == "done", "\(job.text)")
    #expect(try metadata.requests().count == 6)
  }

  // MARK: What may not be

  @Test(arguments: [
    ("s3://models/other/identity.onnx", 403), ("s3://models/team2/x", 403), ("s3://models/team", 202),
    ("s3://elsewhere/team/identity.onnx", 403), ("gs://models/team/identity.onnx", 403),
    ("http://169.254.169.254/latest/meta-data", 400), ("file:///etc/passwd", 403), ("/etc/passwd", 400),
    ("s3://models/team/x?endpoint=http://127.0.0.1:1", 400), ("s3://models/team/../other", 403),
  ]) func `only what the operator lists is asked for`(uri: String, status: Int) throws {
    let host = try host()
    let answer = try host.send("POST", "/v1/models/m/versions", "{\"uri\":\"\(uri)\"}")
    #expect(answer.status == status, "\(String(decoding: answer.body, as: UTF8.self))")
    // Nothing was sent anywhere for those.
    if status != 202 { #expect(try server.requests().count == 1) }
  }

  @Test func `a source is for the tenants that it names`() throws {
    let host = try host([server.source("/team") + "&tenants=others,more"])
    #expect(
      try host.json("POST", "/v1/models/m/versions", #"{"uri":"s3://models/team/identity.onnx"}"#)["code"]
        == "forbidden")
  }

  @Test(arguments: ["s3://b", "ftp://bucket", "s3://bucket?colour=red", "relative", "file://a/b"])
  func `a source that can't be one stops the start, and is named`(source: String) throws {
    #expect {
      _ = try host([source])
    } throws: { "\($0)".contains(source) }
  }

  // MARK: Faults

  @Test(arguments: ["reset", "truncate", "status", "corrupt", "slow"])
  func `a fault on the way costs time and no more`(kind: String) throws {
    let digest = Setup.sha256([UInt8](try Data(contentsOf: URL(fileURLWithPath: Setup.onnx("identity")))))
    let host = try host()
    try server.meet(
      kind, "identity.onnx", count: kind == "status" ? 2 : 1, .init("bytes", 60), .init("status", 503),
      .init("code", "SlowDown"))
    let result = try register(host, "m", "--uri", "s3://models/team/identity.onnx", "--sha256", digest)
    #expect(result.status == 0, "\(result.errors)")
    #expect(try serves(host, "m"))
    let ranges = try server.requests().filter { $0.method == "GET" && $0.target.contains("identity") }.map(\.range)
    let expected: [String: [String?]] = [
      "truncate": [nil, "bytes=60-"], "status": [nil, nil, nil], "corrupt": [nil, nil], "slow": [nil],
    ]
    // Bytes that a reset overtakes are lost, so it isn't said from where it goes on.
    #expect(kind == "reset" ? ranges.count == 2 : ranges == expected[kind])
  }

  @Test(arguments: [
    ("status", "storageUnavailable", "503 SlowDown"), ("corrupt", "storageCorrupt", "expected is"),
    ("truncate", "storageUnavailable", "doesn't answer"), ("reset", "storageUnavailable", "doesn't answer"),
  ])
  func `a fault that stays leaves nothing behind but its reason`(kind: String, code: String, reason: String) throws {
    let host = try host()
    try server.meet(
      kind, "identity.onnx", count: 1000, .init("bytes", 0), .init("status", 503), .init("code", "SlowDown"))
    // The store has said what its object's SHA-256 is.
    let job = try job(host, "m", #"{"uri":"s3://models/team/identity.onnx"}"#)
    #expect(job["state"] == "failed" && job["error"]?["code"]?.string == code, "\(job.text)")
    #expect(job["error"]?["error"]?.string?.contains(reason) == true, "\(job.text)")
    #expect(try remains(host) == [])
  }

  @Test func `what can't be had says why`() throws {
    let host = try host()
    let wrong = String(repeating: "0", count: 64)
    let cases = [
      (#"{"uri":"s3://models/team/absent.onnx"}"#, "notFound", "nothing at s3://models/team/absent.onnx"),
      (#"{"uri":"s3://models/team/identity.onnx","sha256":"\#(wrong)"}"#, "storageCorrupt", "expected is \(wrong)"),
      (#"{"uri":"s3://models/team/","sha256":{"x":"\#(wrong)"}}"#, "invalidRequest", "names 'x'"),
    ]
    for (body, code, reason) in cases {
      let job = try job(host, "m", body)
      #expect(job["state"] == "failed" && job["error"]?["code"]?.string == code, "\(job.text)")
      #expect(job["error"]?["error"]?.string?.contains(reason) == true, "\(job.text)")
    }
    let broken = try host.folder.write("broken.onnx", Array("no model".utf8))
    try server.put(broken, at: "team/broken.onnx")
    let result = try register(host, "m", "--uri", "s3://models/team/broken.onnx")
    #expect(result.status == 1 && result.errors.contains("'m' is not registered"), "\(result.errors)")
    #expect(try remains(host) == [])
    for body in [#"{"uri":"s3://models/team/x","sha256":"0"}"#, #"{"uri":"s3://models/team/x","version":"latest"}"#] {
      #expect(try host.send("POST", "/v1/models/m/versions", body).status == 400)
    }
    #expect(try host.send("GET", "/v1/jobs/none").status == 404)
  }

  @Test(arguments: [["AWS_SECRET_ACCESS_KEY": "other"], ["AWS_ACCESS_KEY_ID": "AKIAOTHER"], ["AWS_ACCESS_KEY_ID": ""]])
  func `credentials that don't do are told, and not shown`(change: [String: String]) throws {
    let host = try host(environment: ObjectServer.credentials.merging(change) { $1 })
    let job = try job(host, "m", #"{"uri":"s3://models/team/identity.onnx"}"#)
    #expect(job["error"]?["code"] == "storageRefused", "\(job.text)")
    #expect(!job.text.contains(ObjectServer.secret) && !host.command.errors.contains(ObjectServer.secret))
    #expect(try remains(host) == [])
  }

  @Test func `a source's own credentials come before the host's`() throws {
    let folder = TemporaryFolder()
    let file = try folder.write(
      "keys", "[stadion]\naws_access_key_id=\(ObjectServer.keyID)\naws_secret_access_key=\(ObjectServer.secret)\n")
    let wrong = ["AWS_ACCESS_KEY_ID": "AKIAOTHER", "AWS_SECRET_ACCESS_KEY": "other"]
    let host = try host(
      [server.source("/team") + "&profile=stadion&credentials-file=\(file)"], folder: folder, environment: wrong)
    #expect(try job(host, "m", #"{"uri":"s3://models/team/identity.onnx"}"#)["state"] == "done")
  }

  // MARK: Jobs

  @Test func `a job that is cancelled ends, and registers nothing`() throws {
    let host = try host()
    try server.meet("stall", "identity.onnx")
    let id = try #require(
      host.json("POST", "/v1/models/m/versions", #"{"uri":"s3://models/team/identity.onnx"}"#)["id"]?.string)
    #expect(try holds { try server.requests().contains { $0.method == "GET" && $0.target.contains("identity") } })
    #expect(try host.json("GET", "/v1/jobs/\(id)")["step"] == "fetching")
    #expect(try host.json("DELETE", "/v1/jobs/\(id)")["state"] == "cancelled")
    #expect(try host.json("DELETE", "/v1/jobs/\(id)")["code"] == "conflict")
    let entries = try host.json("GET", "/v1/audit?action=job.cancel")["entries"]?.array ?? []
    #expect(entries.map { $0["subject"]?.string } == [id])
    #expect(try holds { try remains(host) == [] })
    // The place of the one that was cancelled is free.
    #expect(try job(host, "m", #"{"uri":"s3://models/team/identity.onnx"}"#)["state"] == "done")
  }

  @Test func `a job outlives a host that is killed`() throws {
    let folder = TemporaryFolder()
    var host: Host? = try self.host(folder: folder)
    try server.meet("stall", "identity.onnx")
    let id = try #require(
      host?.json("POST", "/v1/models/m/versions", #"{"uri":"s3://models/team/identity.onnx"}"#)["id"]?.string)
    #expect(try holds { try server.requests().contains { $0.method == "GET" && $0.target.contains("identity") } })
    host?.command.send(SIGKILL)
    _ = try host?.command.wait()
    host = try self.host(folder: folder)
    let again = try #require(host)
    let job = try end(again, id)
    #expect(job["state"] == "done" && job["version"] == "1", "\(job.text)")
    #expect(try serves(again, "m"))
  }

  @Test func `jobs wait for their turn, and pages of them follow each other`() throws {
    let host = try host(nil, "--storage-max-fetches", "1")
    try server.meet("stall", "identity.onnx")
    let ids = try (1...3).map { number in
      try #require(
        host.json(
          "POST", "/v1/models/m\(number)/versions", #"{"uri":"s3://models/team/identity.onnx"}"#)["id"]?.string)
    }
    #expect(try holds { try server.requests().contains { $0.method == "GET" && $0.target.contains("identity") } })
    let page = try host.json("GET", "/v1/jobs?limit=2")
    #expect((page["jobs"]?.array ?? []).map { $0["state"] } == ["queued", "queued"])
    let rest = try host.json("GET", "/v1/jobs?limit=2&cursor=\(page["next"]?.string ?? "")")
    #expect((rest["jobs"]?.array ?? []).map { $0["id"]?.string } == [ids[0]] && rest["next"] == nil)
    func listed(_ query: String) throws -> [String?]? {
      try host.json("GET", "/v1/jobs?\(query)")["jobs"]?.array?.map { $0["id"]?.string }
    }
    #expect(try listed("state=running") == [ids[0]])
    #expect(try listed("state=queued&model=m2") == [ids[1]])
    #expect(try listed("model=m4") == [])
    #expect(try host.send("GET", "/v1/jobs?state=over").status == 400)
    _ = try host.json("DELETE", "/v1/jobs/\(ids[0])")
    for id in ids[1...] { #expect(try end(host, id)["state"] == "done") }
  }

  @Test func `metrics count jobs that wait, run, and have ended`() throws {
    let host = try host(nil, "--storage-max-fetches", "1")
    func counts(_ family: String, _ label: String, _ values: [String]) throws -> [Double?] {
      try values.map { try host.metric("\(family){tenant=\"default\",\(label)=\"\($0)\"}") }
    }
    func open() throws -> [Double?] { try counts("stadion_jobs", "state", ["queued", "running"]) }
    func ended() throws -> [Double?] {
      try counts("stadion_jobs_ended_total", "result", ["done", "failed", "cancelled"])
    }
    try server.meet("stall", "identity.onnx")
    let ids = try ["identity", "identity", "none"].enumerated().map { index, file in
      try #require(
        host.json("POST", "/v1/models/m\(index)/versions", #"{"uri":"s3://models/team/\#(file).onnx"}"#)["id"]?.string)
    }
    #expect(try holds { try open() == [2, 1] }, "\(host.state)")
    #expect(try ended() == [0, 0, 0])
    // Else the next job would meet the fault.
    #expect(try holds { try server.requests().contains { $0.method == "GET" && $0.target.contains("identity.onnx") } })
    _ = try host.json("DELETE", "/v1/jobs/\(ids[0])")
    for id in ids[1...] { _ = try end(host, id) }
    #expect(try holds { try open() == [0, 0] && (try ended()) == [1, 1, 1] }, "\(host.state)")
    if Setup.hasPromtool {
      let judged = try Command.run([Setup.promtool, "check", "metrics"], input: host.send("GET", "/metrics").body)
      #expect(judged.status == 0 && judged.output == "" && judged.errors == "", "\(judged)")
    }
  }

  // MARK: Size

  @Test func `300 MB take little of the host's memory`() throws {
    let host = try host()
    // No model; how far it comes is what counts.
    try server.put(try makeLarge(host.folder, megabytes: 300), at: "team/large.onnx")
    try server.meet("truncate", "large.onnx", .init("bytes", 100_000_000))
    _ = try host.json("GET", "/v1/jobs")
    let before = host.residentBytes
    var peak = 0
    let begun = try host.json("POST", "/v1/models/m/versions", #"{"uri":"s3://models/team/large.onnx"}"#)
    var job = begun
    #expect(
      try holds(limit: .seconds(120)) {
        peak = max(peak, host.residentBytes)
        job = try host.json("GET", "/v1/jobs/\(begun["id"]?.string ?? "")")
        return !["queued", "running"].contains(job["state"]?.string)
      })
    print("300 MB fetched; resident memory grew by \((peak - before) >> 20) MB at most")
    #expect(peak - before < 64 << 20)
    #expect(job["bytes"]?.int == 300 << 20 && job["error"]?["code"] == "unsupported", "\(job.text)")
    #expect(try remains(host) == [])
  }

  // MARK: The cache

  /// Content of the host's folder, by SHA-256.
  private func content(_ host: Host) -> Set<String> {
    let names =
      FileManager.default.enumerator(atPath: "\(host.folder.path)/data/content/sha256")?.allObjects as? [String]
    return Set((names ?? []).map { $0.replacing("/", with: "") }.filter { $0.utf8.count == 64 })
  }

  /// As many versions of "m", each of other content, in the bucket and registered; their SHA-256.
  private func registerVersions(_ count: Int, _ host: Host, _ folder: TemporaryFolder) throws -> [String] {
    try (1...count).map { number in
      var model = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Setup.onnx("identity"))))
      // A field that no reader of models knows, so each has other bytes.
      model += [0xFA, 0x7F, 1, UInt8(number)]
      try server.put(try folder.write("x\(number).onnx", model), at: "team/x\(number).onnx")
      let result = try register(host, "m:\(number)", "--uri", "s3://models/team/x\(number).onnx")
      #expect(result.status == 0, "\(result.errors)")
      return Setup.sha256(model)
    }
  }

  private func production(_ host: Host) throws -> String? {
    try host.json("GET", "/v1/versions?stage=production")["versions"]?.array?.first?["version"]?.string
  }

  @Test func `what isn't served goes when the cache is full, and comes back when it is`() throws {
    let folder = TemporaryFolder()
    var host: Host? = try self.host(nil, folder: folder, "--storage-cache-bytes", "300")
    let versions = try registerVersions(3, #require(host), folder)
    // The newest is served; of the others the first was so longest ago.
    let first = try #require(host)
    #expect(holds { content(first) == Set(versions[1...]) }, "\(content(first))")
    #expect(try host?.stadion("model", "promote", "m:1").status == 0)
    #expect(try serves(#require(host), "m"))
    #expect(try server.requests().filter { $0.method == "GET" && $0.target.contains("x1") }.count == 2)
    #expect(content(first) == [versions[0], versions[2]])

    try server.delete("team/x2.onnx")
    let refused = try host?.stadion("model", "promote", "m:2")
    #expect(
      refused?.status == 1 && refused?.errors.contains("can't be fetched again") == true, "\(refused?.errors ?? "")")
    #expect(try production(#require(host)) == "1" && serves(#require(host), "m"))

    // Content that is lost comes back, too.
    host?.command.send(SIGKILL)
    _ = try host?.command.wait()
    try folder.remove("data/content")
    host = try self.host(nil, folder: folder, "--storage-cache-bytes", "300")
    let again = try #require(host)
    #expect(holds { (try? serves(again, "m")) == true }, "\(again.state)")
    #expect(try production(again) == "1")
  }

  @Test func `content that was uploaded, too, is never given up`() throws {
    let folder = TemporaryFolder()
    let host = try host(nil, folder: folder, "--storage-cache-bytes", "1")
    let versions = try registerVersions(1, host, folder)
    #expect(try host.stadion("model", "push", "\(folder.path)/x1.onnx", "other").status == 0)
    #expect(try host.stadion("model", "push", Setup.onnx("identity"), "m").status == 0)
    #expect(try host.stadion("model", "push", Setup.onnx("identity_image"), "other").status == 0)
    #expect(try host.stadion("model", "archive", "m:1").status == 0)
    #expect(content(host).isSuperset(of: versions))
    #expect(try host.stadion("model", "archive", "other:1").status == 0)
    #expect(try host.stadion("model", "purge", "other:1").status == 0)
    // Nothing but the URI knows it now.
    #expect(try host.stadion("model", "push", Setup.onnx("identity"), "more").status == 0)
    #expect(holds { content(host).isDisjoint(with: versions) })
  }
}
