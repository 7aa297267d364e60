import Foundation
import HTTPTestClient
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct `Routes beside inference` {
  private let host: EchoHost

  init() async { host = await EchoHost.shared.value }

  private func json(_ answer: Answer) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any], "\(answer.text)")
  }

  private func post(_ path: String, _ body: String = "") throws -> Answer {
    try host.ask("POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
  }

  @Test func `say that the server lives, what it is and what it has`() throws {
    #expect(try host.ask(get("/v2/health/live")).text == #"{"live":true}"#)
    #expect(try host.ask(get("/v2/health/ready")).text == #"{"ready":true}"#)
    for path in ["/v2", "/v2/", "/v2?a=b"] {
      let facts = try json(host.ask(get(path)))
      #expect(facts["name"] as? String == "stadion" && facts["version"] as? String == "1.2.3")
      #expect((facts["extensions"] as? [String])?.contains("binary_tensor_data") == true)
    }
    let models = try json(host.ask(get("/v2/models")))["models"] as? [String] ?? []
    #expect(models.contains("größer") && models.contains("a b") && models.contains("broken"))
  }

  @Test func `describe a model`() throws {
    let answer = try host.ask(get("/v2/models/pairs"))
    #expect(
      answer.text.contains(
        #""inputs":[{"name":"x","datatype":"FP32","shape":[-1,2]},{"name":"y","datatype":"INT32","shape":[2]}]"#))
    #expect(answer.text.contains(#""versions":["1"]"#))
    #expect(try host.ask(get("/v2/models/versions")).text.contains(#""versions":["1","3"]"#))
    #expect(try host.ask(get("/v2/models/versions/versions/01")).text.contains(#""versions":["1"]"#))
    #expect(try host.ask(get("/v2/models/pairs/ready")).text == #"{"name":"pairs","ready":true}"#)
    #expect(try host.ask(get("/v2/models/pairs/versions/1/ready")).status == 200)
    let config = try json(host.ask(get("/v2/models/BYTES/config")))
    #expect((config["input"] as? [[String: Any]])?.first?["data_type"] as? String == "TYPE_STRING")
    #expect(config["max_batch_size"] as? Int == 0)
    #expect(try host.ask(get("/v1/models/broken")).text.contains("closed"))
    #expect(try host.ask(get("/v1/runners?all=1")).text.contains(#""id":"org.stadion.echo""#))
  }

  @Test(arguments: ["gr%C3%B6%C3%9Fer", "gr%c3%b6%c3%9fer", "a%20b", "%61%20%62"])
  func `decode names`(name: String) throws {
    #expect(try host.ask(get("/v2/models/\(name)")).status == 200)
    let answer = try host.infer(name, request(input("INT8", "[1]", "[5]")))
    #expect(answer.data == "5")
    #expect(answer.text.contains(name.hasPrefix("gr") ? #""model_name":"größer""# : #""model_name":"a b""#))
  }

  @Test func `infer with the version that is named, or the highest`() throws {
    let json = request(input("INT8", "[1]", "[5]"))
    #expect(try host.infer("versions", json).text.contains(#""model_version":"3""#))
    #expect(try host.infer("versions/versions/1", json).text.contains(#""model_version":"1""#))
    #expect(try host.infer("versions/versions/003", json).text.contains(#""model_version":"3""#))
    #expect(try host.infer("versions/versions/2", json).status == 404)
  }

  @Test(arguments: [
    "/", "/v2/nothing", "/v3", "/V2", "/v2/health", "/v2/health/live/", "/v2/models/pairs/", "/v2/models/pairs/nothing",
    "/v2/models/nobody", "/v2/models/nobody/ready", "/v2/models/nobody/config", "/v2/models/nobody/stats",
    "/v2/models/",
    "/v2/models/pairs/versions/9", "/v2/models/pairs/versions/x", "/v2/models/pairs/versions",
    "/v2/models/pairs/versions/1/2/3",
    "/v2/repository", "/v2/repository/models/pairs", "//v2", "/v2//health/live", "/v2/models/a%2Fb", "/v2/models/%2e",
    "/v1",
    "/v1/models/nobody", "/v2/models/broken", "/v2/models/broken/ready",
  ])
  func `are 404 where nothing is`(path: String) throws {
    for request in [get(path), "POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"] {
      let answer = try host.ask(request)
      #expect(answer.status == 404 || (request.hasPrefix("POST") && answer.status == 405), "\(answer.text)")
      #expect(answer.error?.isEmpty == false)
    }
  }

  @Test(arguments: [
    ("/v2", "GET, HEAD"), ("/v2/health/live", "GET, HEAD"), ("/v2/health/ready", "GET, HEAD"),
    ("/v2/models", "GET, HEAD"),
    ("/v2/models/stats", "GET, HEAD"), ("/v2/models/pairs", "GET, HEAD"), ("/v2/models/pairs/ready", "GET, HEAD"),
    ("/v2/models/pairs/config", "GET, HEAD"), ("/v2/models/pairs/stats", "GET, HEAD"),
    ("/v2/models/pairs/infer", "POST"),
    ("/v2/models/pairs/versions/1/infer", "POST"), ("/v2/repository/index", "POST"), ("/v1/models", "GET, HEAD"),
    ("/v2/repository/models/pairs/load", "POST"), ("/v2/repository/models/pairs/unload", "POST"),
    ("/v1/runners", "GET, HEAD"), ("/v1/runners/org.stadion.echo", "GET, HEAD"),
  ])
  func `name the methods they take`(path: String, allowed: String) throws {
    let client = try host.client()
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] where !allowed.contains(method) {
      let answer = try client.answer(to: "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
      #expect(answer.status == 405, "\(method)")
      #expect(answer.headers["allow"] == allowed)
      if method != "HEAD" { #expect(answer.error == "Method Not Allowed") }
    }
    if allowed.contains("HEAD") {
      let length = try client.answer(to: get(path)).body.count
      let head = try client.answer(to: "HEAD \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n")
      #expect(head.status == 200)
      // Other tests of the same host count on between the two.
      let counts = path.hasSuffix("stats") || path == "/v1/models"
      if !counts { #expect(head.headers["content-length"] == "\(length)") }
    }
  }

  @Test func `count what was answered and what failed`() throws {
    func counts() throws -> [Int] {
      let all = try host.statistics("counted")
      return [
        try host.count("success", of: "counted"), try host.count("fail", of: "counted"),
        try host.count("queue", of: "counted"),
        try host.count("compute_infer", of: "counted"), all["inference_count"] as? Int ?? -1,
        all["execution_count"] as? Int ?? -1,
      ]
    }
    #expect(try counts() == [0, 0, 0, 0, 0, 0])
    #expect(try host.statistics("counted")["last_inference"] as? Int == 0)
    for _ in 0..<3 { _ = try host.infer("counted", request(input("INT8", "[1]", "[1]"))) }
    _ = try host.infer("counted", request(input("INT8", "[2]", "[1,2]")))
    #expect(try counts() == [3, 0, 3, 3, 3, 3])
    let now = Date().timeIntervalSince1970 * 1000
    let last = try host.statistics("counted")["last_inference"] as? Double ?? 0
    #expect(abs(now - last) < 60_000)
    let failed = try host.count("fail", of: "failing")
    _ = try host.infer("failing", request(input("INT8", "[1]", "[1]")))
    #expect(try host.count("fail", of: "failing") == failed + 1)
    #expect(try host.count("success", of: "failing") == 0)
    #expect(try host.ask(get("/v2/models/stats")).text.contains(#""name":"counted""#))
  }

  @Test func `list the repository, and take models out and in`() throws {
    func row(_ name: String, _ body: String = "") throws -> [String: String]? {
      let rows =
        try JSONSerialization.jsonObject(with: Data(post("/v2/repository/index", body).body)) as? [[String: String]]
      return rows?.first { $0["name"] == name }
    }
    #expect(try row("switched") == ["name": "switched", "version": "1", "state": "READY", "reason": ""])
    #expect(try row("broken")?["state"] == "UNAVAILABLE")
    #expect(try row("broken", #"{"ready":true}"#) == nil)
    let json = request(input("INT8", "[1]", "[1]"))
    let unloaded = try post("/v2/repository/models/switched/unload", #"{"parameters":{"unload_dependents":false}}"#)
    #expect(unloaded.status == 200 && unloaded.headers["content-length"] == "0")
    #expect(try host.ask(get("/v2/models/switched/ready")).status == 404)
    #expect(try host.infer("switched", json).error?.contains("unloaded") == true)
    #expect(try row("switched")?["reason"] == "unloaded")
    for body in ["", "{}"] {
      #expect(try post("/v2/repository/models/switched/load", body).status == 200)
      #expect(try host.infer("switched", json).status == 200)
    }
    #expect(try post("/v2/repository/models/nobody/unload").status == 200)
    for (name, words) in [("nobody", "failed to load 'nobody'"), ("broken", "closed")] {
      let answer = try post("/v2/repository/models/\(name)/load")
      #expect(answer.status == (name == "nobody" ? 404 : 400))
      #expect(answer.error?.contains(words) == true && answer.error?.contains("failed to load") == true)
    }
  }

  @Test(arguments: [
    ("/v2/repository/index", #"{"ready":1}"#), ("/v2/repository/index", "{"),
    ("/v2/repository/models/switched/load", "[]"),
    ("/v2/repository/models/switched/load", #"{"parameters":[]}"#), ("/v2/repository/models/switched/unload", "1"),
    ("/v2/repository/models/switched/load", #"{"parameters":{"config":"{}"}}"#),
    ("/v2/repository/models/switched/load", #"{"parameters":{"file:../../x":"AA=="}}"#),
    ("/v2/repository/models/switched/unload", #"{"parameters":{"other":true}}"#),
  ])
  func `refuse bad orders to the repository`(path: String, body: String) throws {
    let answer = try post(path, body)
    #expect(answer.status == 400)
    #expect(answer.error?.isEmpty == false)
  }
}
