import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

extension Host {
  /// By `POST /v1/keys`.
  func makeKey(_ body: String) throws -> (id: String, key: String) {
    let made = try json("POST", "/v1/keys", body)
    return (try #require(made["id"]?.string), try #require(made["key"]?.string, "\(made.text)"))
  }
}

/// What one tenant can learn of another: nothing.
@Suite(.blocking, .enabled(if: Setup.hasOnnxRuntime, Comment(rawValue: Setup.needsOnnxRuntime)))
struct `Tenants apart` {
  private struct Caller {
    let client: StadionClient
    let key: String

    func send(_ method: String, _ path: String, _ body: String = "") throws -> HTTPResponse {
      try client.connection.send(method, path, body: Array(body.utf8))
    }
    func text(_ method: String, _ path: String, _ body: String = "") throws -> String {
      let answer = try send(method, path, body)
      // What is new in each refusal.
      return "\(answer.status) \(String(decoding: answer.body, as: UTF8.self))".replacing(
        #/"requestId":"[^"]*","tenant":"[^"]*"/#, with: "")
    }
    func push(_ model: String, to name: String, _ socket: String) throws -> Command.Result {
      try Command.run(
        [Setup.stadion, "model", "push", Setup.onnx(model), name, "--socket", socket],
        environment: ["STADION_KEY": key])
    }
  }

  private func caller(_ host: Host, _ tenant: String, _ role: String = "admin") throws -> Caller {
    _ = try host.json("POST", "/v1/tenants", "{\"id\": \"\(tenant)\"}")
    let key = try host.makeKey("{\"tenant\": \"\(tenant)\", \"role\": \"\(role)\"}").key
    return Caller(client: StadionClient(.unix(path: host.socket), timeout: .seconds(20), key: key), key: key)
  }

  private static let question = """
    {"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1,16],"data":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}]}
    """

  private func host(_ arguments: String...) throws -> Host {
    let folder = TemporaryFolder()
    return try Host(["--data", "\(folder.path)/data"] + arguments, folder: folder)
  }

  @Test func `see nothing of each other's models, not even that there are any`() throws {
    let host = try host()
    let (acme, other) = (try caller(host, "acme"), try caller(host, "other"))
    #expect(try acme.push("identity", to: "secret:1.0-rc1", host.socket).status == 0)
    #expect(try acme.text("POST", "/v2/models/secret/infer", Self.question).hasPrefix("200 "))
    let upload = try #require(try JSONValue(parsing: acme.send("POST", "/v1/uploads", "{}").body)["id"]?.string)
    // The same of a name that has never been.
    for (method, path, body) in [
      ("GET", "/v2/models/NAME", ""), ("GET", "/v2/models/NAME/ready", ""), ("GET", "/v2/models/NAME/config", ""),
      ("GET", "/v2/models/NAME/stats", ""), ("POST", "/v2/models/NAME/infer", Self.question),
      ("POST", "/v2/models/NAME/versions/1.0-rc1/infer", Self.question),
      ("GET", "/v2/models/NAME/trace/setting", ""), ("POST", "/v2/repository/models/NAME/load", "{}"),
      ("GET", "/v1/models/NAME", ""), ("GET", "/v1/models/NAME/versions", ""),
      ("GET", "/v1/models/NAME/versions/1.0-rc1", ""), ("GET", "/v1/models/NAME/history", ""),
      ("POST", "/v1/models/NAME/promote", #"{"version": "1.0-rc1"}"#), ("POST", "/v1/models/NAME/rollback", "{}"),
      ("PUT", "/v1/models/NAME/aliases/a", #"{"version": "1.0-rc1"}"#), ("DELETE", "/v1/models/NAME/aliases/a", ""),
      ("GET", "/v1/models/NAME/summary", ""), ("GET", "/v1/models/NAME/gates", ""),
      ("PUT", "/v1/models/NAME/gates", #"{"warmUp": {"runs": 1}}"#), ("DELETE", "/v1/models/NAME/gates", ""),
      ("PUT", "/v1/models/NAME/versions/1.0-rc1/deprecation", "{}"),
      ("DELETE", "/v1/models/NAME/versions/1.0-rc1/deprecation", ""),
      ("PUT", "/v1/models/NAME/versions/1.0-rc1/approvals/production", "{}"),
      ("POST", "/v1/models/NAME/versions/1.0-rc1/restore", ""),
      ("GET", "/v1/versions?model=NAME", ""), ("GET", "/v1/jobs?model=NAME", ""),
      ("POST", "/v1/models/NAME/versions/1.0-rc1/archive", ""), ("POST", "/v1/models/NAME/versions/1.0-rc1/purge", ""),
    ] {
      for caller in [other, Caller(client: host.client, key: "")] {
        let theirs = try caller.text(method, path.replacing("NAME", with: "secret"), body)
        let none = try caller.text(method, path.replacing("NAME", with: "xxxxxx"), body)
        #expect(theirs.replacing("secret", with: "xxxxxx") == none, "\(method) \(path)")
      }
    }
    for method in ["HEAD", "PUT", "DELETE"] { #expect(try other.send(method, "/v1/uploads/\(upload)").status == 404) }
    for (method, path) in [
      ("GET", "/v2/models"), ("GET", "/v2/models/stats"), ("POST", "/v2/repository/index"), ("GET", "/v1/models"),
      ("GET", "/v1/versions"), ("GET", "/v1/runners"), ("GET", "/v1/runners?all=1"), ("GET", "/v1/tenants"),
      ("GET", "/v1/keys"), ("GET", "/v1/audit"), ("GET", "/metrics"), ("GET", "/v1/statistics"),
      ("GET", "/v1/registry"), ("GET", "/v1/uploads"), ("GET", "/v1/jobs"), ("GET", "/v1/quota"),
    ] {
      let answer = try other.text(method, path)
      #expect(answer.hasPrefix("200 ") && !answer.contains("secret") && !answer.contains("acme"), "\(path): \(answer)")
      guard path != "/v1/tenants" else { continue }
      #expect(try other.send(method, "\(path)\(path.contains("?") ? "&" : "?")tenant=acme").status == 403, "\(path)")
    }
    #expect(try acme.text("GET", "/v2/models") == #"200 {"models":["secret"]}"#)
  }

  @Test func `have models of the same name side by side`() throws {
    let folder = TemporaryFolder()
    var host: Host? = try Host(["--data", "\(folder.path)/data"], folder: folder)
    var keys: [Caller] = []
    do {
      let host = try #require(host)
      for (tenant, version) in [("acme", "7"), ("other", "8")] {
        let caller = try caller(host, tenant)
        #expect(try caller.push("identity", to: "m:\(version)", host.socket).status == 0)
        keys.append(caller)
      }
      #expect(try host.stadion("model", "push", Setup.onnx("identity"), "m:9").status == 0)
      for (caller, version) in zip(keys, ["7", "8"]) {
        let answer = try caller.send("POST", "/v2/models/m/infer", Self.question)
        #expect(try JSONValue(parsing: answer.body)["model_version"]?.string == version)
      }
      _ = try host.send("POST", "/v2/models/m/infer", Self.question)
      let metrics = String(decoding: try host.send("GET", "/metrics").body, as: UTF8.self)
      let counts = metrics.split(separator: "\n").filter { $0.hasPrefix("stadion_request_seconds_count{model=\"m\"") }
      #expect(counts.count == 3 && counts.allSatisfy { $0.hasSuffix(" 1") }, "\(counts)")
      #expect(counts.filter { $0.contains(#"tenant="acme""#) }.count == 1)
      let statistics = try host.json("GET", "/v1/statistics")["models"]?.array ?? []
      #expect(Set(statistics.compactMap { $0["tenant"]?.string }) == ["default", "acme", "other"])
      #expect(try host.send("DELETE", "/v1/tenants/acme").status == 409, "it has a model")
    }
    host = nil
    let again = try Host(["--data", "\(folder.path)/data"], folder: folder)
    for (caller, version) in zip(keys, ["7", "8"]) {
      caller.client.connection.close()
      let answer = try caller.send("POST", "/v2/models/m/infer", Self.question)
      #expect(try JSONValue(parsing: answer.body)["model_version"]?.string == version)
    }
    #expect(try again.json("GET", "/v1/models/m/versions?tenant=acme")["versions"]?.array?.count == 1)
  }

  @Test func `have every change in the audit: who, when, what, from where`() throws {
    let host = try host()
    let acme = try caller(host, "acme", "publish")
    let before = Int(Date().timeIntervalSince1970 * 1000) - 1000
    #expect(try acme.push("identity", to: "m:1", host.socket).status == 0)
    #expect(try acme.send("POST", "/v1/models/m/promote", #"{"version": "1"}"#).status == 200)
    #expect(try acme.send("PUT", "/v1/models/m/aliases/best", #"{"version": "1"}"#).status == 200)
    #expect(try acme.send("POST", "/v2/repository/models/m/load", "{}").status == 200)
    let entries = try host.json("GET", "/v1/audit?tenant=acme")["entries"]?.array ?? []
    let lines = entries.map { "\($0["action"]?.string ?? "") \($0["subject"]?.string ?? "")" }
    let wanted = ["model.load m", "model.alias m:1 best", "model.promote m:1 production", "model.register m:1"]
    #expect(Array(lines.prefix(4)) == wanted)
    #expect(lines.suffix(2).map { $0.prefix(7) } == ["key.add", "tenant."])
    for entry in entries.prefix(4) {
      #expect(entry["caller"]?.string?.hasPrefix("key:") == true)
      #expect(entry["origin"]?.string?.hasPrefix("unix uid=\(geteuid()) pid=") == true)
      #expect(entry["timeMs"]?.int ?? 0 > before && entry["requestId"]?.string?.isEmpty == false)
    }
    #expect(try host.json("GET", "/v1/models/m/history?tenant=acme").text.contains(#""caller":"key:"#))
    #expect(try acme.send("GET", "/v1/audit").status == 403)
    #expect(try host.send("POST", "/v2/logging", #"{"log_info": true}"#).status == 200)
    #expect(try host.json("GET", "/v1/audit?limit=1")["entries"]?.array?.first?["action"] == "log.set")
    #expect(try host.json("GET", "/v1/audit?limit=1")["entries"]?.array?.count == 1)
  }
}
