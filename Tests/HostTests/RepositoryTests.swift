import BlockingTests
import Foundation
import Inference
import StadionClient
import Testing
import Wire

/// What becomes of changes in the model folder while the host serves.
@Suite(.blocking) struct `The model folder` {
  private func outputs(_ host: Host, _ model: String) throws -> [String] {
    try host.client.metadata(ModelID(model)).outputs.map(\.name)
  }

  private func becomes(_ host: Host, _ lines: [String]) throws -> Bool {
    try holds(limit: .seconds(10)) { try host.index() == lines }
  }

  @Test func `a new model and a new version are served without a restart`() throws {
    let host = try Host { try $0.addEcho("a", "X:f32[-1]") }
    try host.folder.addEcho("b", "X:f32[-1]")
    #expect(try becomes(host, ["a:1 READY", "b:1 READY"]), "\(host.state)")
    host.folder.makeFolder("models/a/2")
    #expect(try becomes(host, ["a:1 UNAVAILABLE: superseded", "a:2 READY", "b:1 READY"]), "\(host.state)")
    let answer = try host.json(
      "POST", "/v2/models/a/infer", #"{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[1]}]}"#)
    #expect(answer["model_version"] == "2")
  }

  @Test func `what is removed is gone`() throws {
    let host = try Host {
      try $0.addEcho("a", "X:f32[-1]")
      try $0.addEcho("b", "X:f32[-1]")
    }
    try host.folder.remove("models/a")
    #expect(try becomes(host, ["b:1 READY"]), "\(host.state)")
    #expect(try host.send("GET", "/v2/models/a").status == 404)
  }

  @Test func `settings written anew take effect`() throws {
    let host = try Host { try $0.addEcho("a", "X:f32[-1]") }
    try host.folder.addEcho("a", "Y:i64[-1]")
    #expect(try holds { try outputs(host, "a") == ["Y"] })
  }

  @Test func `all versions are served where model_json says so`() throws {
    let host = try Host { folder in
      try folder.addEcho("a", "X:f32[-1]", more: #", "versions": {"all": true}"#)
      folder.makeFolder("models/a/3")
    }
    #expect(try host.index() == ["a:1 READY", "a:3 READY"])
    #expect(try host.json("GET", "/v2/models/a")["versions"] == ["1", "3"])
    #expect(try host.send("GET", "/v2/models/a/versions/1/ready").status == 200)
  }

  @Test(arguments: [
    ("{", "line 1"), (#"{"format": "echo", "optoins": {}}"#, "options"), (#"{"format": 7}"#, "format"),
    (#"{"format": "echo", "versions": {"latest": 0}}"#, "versions.latest"), ("[]", "object"),
  ]) func `a mistake in model_json is told and hides no other model`(text: String, words: String) throws {
    let host = try Host { folder in
      try folder.addEcho("good", "X:f32[-1]")
      folder.makeFolder("models/bad/1")
      try folder.write("models/bad/model.json", text)
    }
    let index = try host.index()
    #expect(index.contains("good:1 READY"))
    #expect(index.contains { $0.hasPrefix("bad:") && $0.contains("model.json") && $0.contains(words) }, "\(index)")
    let list = try host.stadion("model", "list")
    #expect(list.output.contains("model.json") && list.output.contains(words), "\(list.output)")
    let message = try host.json("GET", "/v2/models/bad")["error"]?.string ?? ""
    #expect(message.contains(words), "\(message)")
    try host.folder.addEcho("bad", "X:f32[-1]")
    #expect(try becomes(host, ["bad:1 READY", "good:1 READY"]), "\(host.state)")
  }

  @Test func `settings that break later leave the old ones serving`() throws {
    let host = try Host { try $0.addEcho("a", "X:f32[-1]") }
    try host.folder.write("models/a/model.json", "{ broken")
    #expect(try holds { try !host.log("can't use a model's settings").isEmpty })
    #expect(try outputs(host, "a") == ["X"])
    let list = try host.stadion("model", "list")
    #expect(list.output.contains("READY") && list.output.contains("\na: model.json: line 1"), "\(list.output)")
  }

  @Test func `unload lasts until load`() throws {
    let host = try Host { try $0.addEcho("a", "X:f32[-1]") }
    #expect(try host.send("POST", "/v2/repository/models/a/unload", "{}").status == 200)
    #expect(try host.index() == ["a:1 UNAVAILABLE: unloaded"])
    #expect(try host.send("GET", "/v2/models/a/ready").status != 200)
    // A change in the folder doesn't bring it back; another model shows that the change was seen.
    host.folder.makeFolder("models/a/2")
    try host.folder.addEcho("b", "X:f32[-1]")
    #expect(try holds { try host.index().contains("b:1 READY") })
    #expect(try !host.index().contains("a:2 READY"))
    #expect(try host.send("POST", "/v2/repository/models/a/load", "{}").status == 200)
    #expect(try host.send("GET", "/v2/models/a/ready").status == 200)
    #expect(try host.index().contains("a:2 READY"), "\(host.state)")
    #expect(try host.send("POST", "/v2/repository/models/none/load", "{}").status == 404)
    #expect(try host.send("POST", "/v2/repository/models/none/unload", "{}").status == 200)
  }

  @Test func `without a watch only requests change what is served`() throws {
    let host = try Host(["--no-watch"]) { try $0.addEcho("a", "X:f32[-1]") }
    try host.folder.addEcho("b", "X:f32[-1]")
    try host.client.load("b")
    #expect(try host.index() == ["a:1 READY", "b:1 READY"])
  }

  @Test func `a request under way is answered by the version that it began with`() throws {
    let host = try Host { try $0.addEcho("a", "X:f32[-1]", options: ["sleep_ms": "400"]) }
    let client = try Command([
      "curl", "-s", "--max-time", "20", "--unix-socket", host.socket, "-d",
      #"{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[1]}]}"#, "http://host/v2/models/a/infer",
    ])
    host.folder.makeFolder("models/a/2")
    #expect(try holds { try host.index().contains("a:2 READY") })
    #expect(try client.wait().output.contains(#""data":[1]"#))
  }
}

/// The same with models that an engine reads, which may fail in more ways.
@Suite(.blocking, .enabled(if: Setup.hasOnnxRuntime, Comment(rawValue: Setup.needsOnnxRuntime)))
struct `The model folder with ONNX models` {
  private func values(_ host: Host, _ model: String) throws -> [String] {
    let metadata = try host.client.metadata(ModelID(model))
    return metadata.inputs.map { "\($0.name) \($0.elementType.protocolName) \($0.shape)" }
  }

  @Test func `a version that can't be loaded leaves the old one serving`() throws {
    let host = try Host { try $0.addOnnx("m", "identity_f32") }
    try host.folder.addOnnx("m", "truncated", version: 2)
    #expect(try holds { try host.index().contains { $0.hasPrefix("m:2 UNAVAILABLE: ") } }, "\(host.state)")
    #expect(try host.index().first == "m:1 READY")
    #expect(try host.infer("m", floats("INPUT0", [2], [1, 2]))[0].shape == [2])
    #expect(try host.send("POST", "/v2/repository/models/m/load", "{}").status == 400)
    // Mended in place, it takes over.
    try host.folder.remove("models/m/2/model.onnx")
    try host.folder.copy(Setup.onnx("identity_i64"), to: "models/m/2/model.onnx")
    #expect(try holds { try values(host, "m") == ["INPUT0 INT64 [-1]"] }, "\(host.state)")
  }

  @Test func `a file replaced in place is served anew`() throws {
    let host = try Host { try $0.addOnnx("m", "identity_f32") }
    try host.folder.copy(Setup.onnx("identity_u8"), to: "models/m/1/.new")
    try host.folder.move("models/m/1/.new", to: "models/m/1/model.onnx")
    #expect(try holds { try values(host, "m") == ["INPUT0 UINT8 [-1]"] }, "\(host.state)")
  }

  @Test func `a file replaced by a broken one is served as it was, and the index says why`() throws {
    let host = try Host { try $0.addOnnx("m", "identity_f32") }
    try host.folder.copy(Setup.onnx("garbage"), to: "models/m/1/.new")
    try host.folder.move("models/m/1/.new", to: "models/m/1/model.onnx")
    #expect(try holds { try host.index().first?.hasPrefix("m:1 READY: changed on disk, still served") == true })
    #expect(try host.infer("m", floats("INPUT0", [1], [5]))[0].load(Float.self, at: 0) == 5)
    #expect(try host.stadion("model", "list").output.contains("changed on disk"))
    // A good one again, and there is nothing left to say.
    try host.folder.copy(Setup.onnx("identity_u8"), to: "models/m/1/.new")
    try host.folder.move("models/m/1/.new", to: "models/m/1/model.onnx")
    #expect(try holds { try values(host, "m") == ["INPUT0 UINT8 [-1]"] }, "\(host.state)")
    #expect(try host.index() == ["m:1 READY"])
  }

  @Test func `at the start an older good version stands in for a broken newer one`() throws {
    let host = try Host { folder in
      try folder.addOnnx("m", "identity_f32", version: 1)
      try folder.addOnnx("m", "garbage", version: 2)
    }
    let index = try host.index()
    #expect(index.first == "m:1 READY")
    #expect(index.last?.hasPrefix("m:2 UNAVAILABLE: ") == true, "\(index)")
    #expect(try host.infer("m", floats("INPUT0", [1], [5]))[0].load(Float.self, at: 0) == 5)
  }

  @Test(arguments: ["empty", "garbage", "truncated", "text", "unknown_operator", "cycle", "too_few_weights"])
  func `a broken model says why and the others serve`(broken: String) throws {
    let host = try Host { folder in
      try folder.addOnnx("bad", broken)
      try folder.addOnnx("good", "identity_f32")
    }
    let index = try host.index()
    #expect(index.contains("good:1 READY"))
    let reason = index.first { $0.hasPrefix("bad:1 UNAVAILABLE: ") }
    #expect((reason?.count ?? 0) > 30, "\(index)")
    // No path of this machine reaches a client.
    #expect(reason?.contains(host.folder.path) != true, "\(index)")
    let refusal = try host.send("POST", "/v2/models/bad/infer", "{}")
    #expect(refusal.status == 404)
  }
}
