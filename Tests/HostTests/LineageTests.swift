import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// What is told of versions when they are registered, what is asked of them later, and uploads on their way.
@Suite(.blocking, .enabled(if: Setup.hasOnnxRuntime, Comment(rawValue: Setup.needsOnnxRuntime)))
struct `What the registry knows` {
  private func host(_ arguments: String...) throws -> Host {
    let folder = TemporaryFolder()
    return try Host(["--data", "\(folder.path)/data"] + arguments, folder: folder)
  }

  private func push(_ host: Host, _ name: String, _ more: String...) throws -> Command.Result {
    try Command.run(
      [Setup.stadion, "model", "push", Setup.onnx("identity"), name, "--socket", host.socket] + more)
  }

  @Test func `parents are told by name or digest, and know their children`() throws {
    let host = try host()
    let digest = Setup.sha256([UInt8](try Data(contentsOf: URL(fileURLWithPath: Setup.onnx("identity")))))
    let metadata = try host.folder.write("metadata.json", #"{"accuracy": 0.91, "data": ["a", "b"]}"#)
    #expect(try push(host, "base:1").status == 0)
    let tuned = try push(
      host, "tuned:1", "--parent", "base:1", "--parent", "sha256:\(digest)", "--metadata", metadata, "--tag", "k=v")
    #expect(tuned.status == 0, "\(tuned.errors)")
    let version = try host.json("GET", "/v1/models/tuned/versions/1")
    #expect(version["parents"] == [["model": "base", "version": "1"], ["sha256": .string(digest)]])
    #expect(version["metadata"]?["accuracy"]?.double == 0.91 && version["tags"] == ["k": "v"])
    // Its own file has the digest that it names, too.
    let child: JSONValue = ["model": "tuned", "version": "1"]
    #expect(version["children"] == [child])
    #expect(try host.json("GET", "/v1/models/base/versions/1")["children"] == [child])
    let shown = try host.stadion("model", "show", "tuned:1")
    for words in ["parent      base:1", "tag         k=v", "child       tuned:1", "onnxruntime on cpu", "0 answered"] {
      #expect(shown.output.contains(words), "\(shown.output)\(shown.errors)")
    }
    let list = try host.stadion("model", "registered", "--tag", "k=v", "--format", "onnx")
    #expect(list.output.contains("tuned") && !list.output.contains("base"), "\(list.output)\(list.errors)")
    let one = try host.stadion("model", "registered", "--limit", "1").output
    #expect(one.contains("tuned") && one.contains("There are more: --cursor 2"), "\(one)")
    #expect(try host.stadion("model", "registered", "--cursor", "2").output.contains("base"))
  }

  @Test(arguments: [
    (#""parents": [{"model": "absent", "version": "1"}]"#, 404, "'absent' is not registered"),
    (#""parents": [{"sha256": "12"}]"#, 400, "64 lower-case hexadecimal digits"),
    (#""parents": [{"model": "m"}]"#, 400, "'version' is missing"), (#""parents": {}"#, 400, "must be an array"),
    (#""tags": {"": "v"}"#, 400, "a tag has a key"),
    (#""metadata": {"a": "\#(String(repeating: "x", count: 17_000))"}"#, 400, "more than 16384"),
  ])
  func `what it isn't told rightly is refused before bytes are looked at`(
    more: String, status: Int, words: String
  ) throws {
    let host = try host()
    let body = #"{"files": [{"path": "model.onnx", "upload": "none"}], \#(more)}"#
    let answer = try host.send("POST", "/v1/models/m/versions", body)
    #expect(answer.status == status && answer.text.contains(words), "\(answer.text.prefix(500))")
  }

  @Test func `a summary counts, and says what stands where`() throws {
    let host = try host()
    for version in ["1", "2", "3"] { #expect(try push(host, "m:\(version)").status == 0) }
    #expect(try push(host, "n:1").status == 0)
    #expect(try host.stadion("model", "promote", "m:1").status == 0)
    #expect(try host.stadion("model", "alias", "m:1", "best").status == 0)
    #expect(try host.stadion("model", "archive", "m:2").status == 0)
    #expect(try host.stadion("model", "deprecate", "m:1").status == 0)
    let data = Array(repeating: "1", count: 16).joined(separator: ",")
    let input = #"{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1,16],"data":[\#(data)]}]}"#
    for _ in 0..<3 { #expect(try host.send("POST", "/v2/models/m/infer", input).status == 200) }
    let summary = try host.json("GET", "/v1/models/m/summary")
    #expect(summary["versions"] == ["archived": 1, "development": 1, "production": 1])
    #expect(summary["production"] == "1" && summary["latest"] == "3" && summary["deprecated"] == 1)
    #expect(summary["aliases"] == ["best": "1"] && summary["gates"] == [:])
    let statistics = summary["statistics"]?.array?.first { $0["version"] == "1" }
    #expect(statistics?["inference_stats"]?["success"]?["count"]?.int == 3)
    let version = try host.json("GET", "/v1/models/m/versions/1")
    #expect(version["served"]?["statistics"]?["inference_count"]?.int == 3)
    #expect(try host.json("GET", "/v1/models/m/versions/2")["served"] == nil)
    let first = try host.json("GET", "/v1/registry?limit=1")
    #expect(first["models"]?.array?.first?["model"] == "m" && first["next"] == "m")
    #expect(try host.json("GET", "/v1/registry?cursor=m")["models"]?.array?.count == 1)
    #expect(try host.stadion("model", "unalias", "m:best").output == "m:best is removed\n")
    #expect(try host.stadion("model", "unalias", "m:best").errors.contains("has no alias"))
  }

  // MARK: Uploads

  @Test func `a push goes on with what has come of it`() throws {
    let host = try host()
    let model = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Setup.onnx("identity"))))
    let id = try host.client.beginUpload(byteCount: model.count, sha256: Setup.sha256(model))
    try host.client.upload(Array(model.prefix(50)), to: id, at: 0)
    let known = try host.json("GET", "/v1/uploads")["uploads"]?.array ?? []
    #expect(known.map { $0["id"]?.string } == [id] && known.first?["offset"] == 50)
    let result = try push(host, "m:1")
    #expect(result.status == 0 && result.errors.contains("goes on at byte 50 of \(model.count)"), "\(result.errors)")
    #expect(try host.json("GET", "/v1/uploads")["uploads"] == [])
    // Files of one version that are the same, byte by byte, are uploads of their own.
    host.folder.makeFolder("two")
    for name in ["model.onnx", "copy.bin"] { try host.folder.write("two/\(name)", model) }
    let both = try host.stadion("model", "push", "\(host.folder.path)/two", "m:2")
    #expect(both.status == 0, "\(both.errors)")
  }

  @Test func `uploads expire while the host runs`() throws {
    let host = try host("--upload-keep-ms", "1000")
    let id = try #require(host.json("POST", "/v1/uploads", #"{"bytes": 10}"#)["id"]?.string)
    #expect(try host.send("PUT", "/v1/uploads/\(id)?offset=0", "abc").status == 200)
    #expect(try holds { try host.send("HEAD", "/v1/uploads/\(id)").status == 404 })
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(host.folder.path)/data/uploads") == [])
    #expect(try host.json("GET", "/v1/uploads")["uploads"] == [])
  }
}
