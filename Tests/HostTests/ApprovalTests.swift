import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// Promotions that take two people.
@Suite(.blocking) struct `A second person's approval` {
  private let folder = TemporaryFolder()

  /// With a model m in versions 1 and 2, whose promotion to production takes an approval by `role`.
  private func host(_ role: String) throws -> Host {
    let host = try Host(["--data", "\(folder.path)/data"], folder: folder)
    for label in ["1", "2"] {
      let result = try host.stadion("model", "push", Setup.onnx("identity"), "m:\(label)")
      #expect(result.status == 0, "\(result.errors)")
    }
    #expect(try host.stadion("model", "gates", "m", "--approval", role).output.contains(role))
    return host
  }

  private func key(_ host: Host, _ role: String) throws -> (id: String, key: String) {
    try host.makeKey("{\"role\": \"\(role)\"}")
  }

  private func ask(
    _ host: Host, _ key: String?, _ method: String, _ path: String, _ body: String = ""
  ) throws -> (status: Int, json: JSONValue) {
    let answer = try host.send(method, path, body, headers: key.map { [("X-API-Key", $0)] } ?? [])
    return (answer.status, try JSONValue(parsing: answer.body))
  }

  private func promote(_ host: Host, _ key: String?, _ label: String = "2") throws -> (status: Int, json: JSONValue) {
    try ask(host, key, "POST", "/v1/models/m/promote", "{\"version\": \"\(label)\"}")
  }

  private func approve(_ host: Host, _ key: String?, _ label: String = "2") throws -> Int {
    try ask(host, key, "PUT", "/v1/models/m/versions/\(label)/approvals/production", "{}").status
  }

  private func production(_ host: Host) throws -> String? {
    try host.json("GET", "/v1/versions?stage=production")["versions"]?.array?.first?["version"]?.string
  }

  @Test func `lets a version be promoted, after a restart, too, and history tells`() throws {
    var (asker, other) = (("", ""), ("", ""))
    do {
      let host = try host("publish")
      (asker, other) = (try key(host, "publish"), try key(host, "publish"))
      let refused = try promote(host, asker.1)
      #expect(refused.status == 409 && refused.json["details"]?["gate"] == "approval")
      #expect(
        refused.json["error"]?.string?.contains("somebody else with the role publish, nobody has approved it") == true)
      let approved = try ask(
        host, other.1, "PUT", "/v1/models/m/versions/2/approvals/production", #"{"note": "looks well"}"#)
      #expect(approved.status == 200, "\(approved.json.text)")
      host.command.send(SIGKILL)
      _ = try host.command.wait()
    }
    let host = try Host(["--data", "\(folder.path)/data"], folder: folder)
    let shown = try host.stadion("model", "show", "m:2").output
    #expect(shown.contains("for production by key:\(other.0) (publish)") && shown.contains(": looks well"), "\(shown)")
    // Not the other version, and by nobody alone.
    #expect(try promote(host, asker.1, "1").status == 409)
    let own = try promote(host, other.1)
    #expect(own.json["error"]?.string?.contains("only key:\(other.0) (who asks) has approved it") == true)
    #expect(try production(host) == nil)
    #expect(try promote(host, asker.1).status == 200)

    let history = try host.json("GET", "/v1/models/m/history?place=production")["history"]?.array ?? []
    #expect(history.map { $0["action"]?.string } == ["promote", "approve"])
    #expect(history.first?["note"]?.string == "passed gates: approved by key:\(other.0) (publish)")
    #expect(history.last?["note"]?.string == "as publish: looks well")
    let audit = try host.json("GET", "/v1/audit")["entries"]?.array ?? []
    let entry = audit.first { $0["action"] == "model.approve" }
    #expect(entry?["caller"]?.string == "key:\(other.0)" && entry?["subject"] == "m:2 production")
    // What stood in production then, not what was approved for it.
    #expect(try approve(host, other.1, "1") == 200)
    let atMs = Int(Date().timeIntervalSince1970 * 1000)
    let then = try host.json("GET", "/v1/models/m/history?place=production&atMs=\(atMs)")["history"]?.array ?? []
    #expect(then.map { $0["version"]?.string } == ["2"])
  }

  @Test func `can be taken back, by who gave it or an admin`() throws {
    let host = try host("publish")
    let (asker, other) = (try key(host, "publish"), try key(host, "publish"))
    let path = "/v1/models/m/versions/2/approvals/production"
    #expect(try approve(host, other.key) == 200)
    #expect(try ask(host, asker.key, "DELETE", path).status == 404)
    #expect(try ask(host, asker.key, "DELETE", "\(path)?caller=key:\(other.id)").status == 403)
    #expect(try ask(host, other.key, "DELETE", path).status == 200)
    #expect(try promote(host, asker.key).status == 409)
    #expect(try approve(host, other.key) == 200)
    let unapproved = try host.stadion("model", "unapprove", "m:2", "--caller", "key:\(other.id)")
    #expect(unapproved.output == "m:2 is approved by nobody\n", "\(unapproved.errors)")
    #expect(try promote(host, asker.key).status == 409)
    let approved = try host.stadion("model", "approve", "m:2", "--note", "by hand")
    #expect(approved.output.contains("for production by uid:\(geteuid()) (admin) on"), "\(approved.errors)")
    #expect(try promote(host, asker.key).status == 200)
  }

  @Test func `counts only with the role, and of a key that isn't revoked`() throws {
    let host = try host("admin")
    let (asker, publisher, admin) = (try key(host, "publish"), try key(host, "publish"), try key(host, "admin"))
    #expect(try approve(host, publisher.key) == 200)
    let low = try promote(host, asker.key).json["error"]?.string ?? ""
    #expect(low.contains("only key:\(publisher.id) (with the role publish) has"), "\(low)")
    #expect(try approve(host, admin.key) == 200)
    #expect(try host.send("DELETE", "/v1/keys/\(admin.id)").status == 200)
    let revoked = try promote(host, asker.key).json["error"]?.string ?? ""
    #expect(revoked.contains("key:\(admin.id) (revoked)"), "\(revoked)")
    #expect(try approve(host, try key(host, "infer").key) == 403)
  }

  @Test func `isn't given by another key of the same person`() throws {
    let host = try host("admin")
    let admin = try key(host, "admin")
    // One that it has made, and one that takes its own place.
    let made = try ask(host, admin.key, "POST", "/v1/keys", #"{"role": "admin"}"#).json
    #expect(try approve(host, made["key"]?.string) == 200)
    let refused = try promote(host, admin.key).json["error"]?.string ?? ""
    #expect(refused.contains("(made by who asks)"), "\(refused)")
    let rotated = try host.json("POST", "/v1/keys/\(admin.id)/rotate", "{}")
    #expect(try approve(host, admin.key) == 200)
    let own = try promote(host, rotated["key"]?.string).json["error"]?.string ?? ""
    #expect(own.contains("key:\(admin.id) (who asks)"), "\(own)")
    #expect(try approve(host, nil) == 200)
    #expect(try promote(host, admin.key).status == 200)
  }

  @Test func `is for the content, not for the label`() throws {
    let host = try host("publish")
    let asker = try key(host, "publish")
    #expect(try approve(host, nil) == 200)
    for verb in ["archive", "purge"] { #expect(try host.stadion("model", verb, "m:2").status == 0) }
    #expect(try host.stadion("model", "push", Setup.onnx("add"), "m:2").status == 0)
    #expect(try promote(host, asker.key).status == 409)
    #expect(try host.json("GET", "/v1/models/m/versions/2")["approvals"] == [])
  }

  @Test func `is not got around by who must have it`() throws {
    let host = try host("publish")
    let asker = try key(host, "publish")
    for (method, path, body) in [
      ("PUT", "gates", "{}"), ("DELETE", "gates", ""),
      ("PUT", "gates", #"{"approval": "publish", "stages": ["staging"]}"#),
    ] {
      #expect(try ask(host, asker.key, method, "/v1/models/m/\(path)", body).status == 403, "\(method) \(body)")
    }
    // Nor by a model of the same name without gates.
    for (label, verb, status) in [
      ("1", "archive", 200), ("1", "purge", 200), ("2", "archive", 200), ("2", "purge", 403),
    ] {
      #expect(try ask(host, asker.key, "POST", "/v1/models/m/versions/\(label)/\(verb)").status == status)
    }
    #expect(try host.stadion("model", "purge", "m:2").status == 0)
  }

  @Test func `is refused where it can't be`() throws {
    let host = try host("publish")
    for (method, path, body, status) in [
      ("PUT", "2/approvals/development", "{}", 400), ("PUT", "2/approvals/nowhere", "{}", 400),
      ("PUT", "9/approvals/production", "{}", 404), ("GET", "2/approvals/production", "", 405),
      ("PUT", "2/approvals/production", #"{"who": "me"}"#, 400),
      ("PUT", "2/approvals/production", "{\"note\": \"\(String(repeating: "n", count: 1025))\"}", 400),
    ] {
      #expect(try ask(host, nil, method, "/v1/models/m/versions/\(path)", body).status == status, "\(path)")
    }
    #expect(try host.stadion("model", "archive", "m:2").status == 0)
    #expect(try approve(host, nil) == 409)
  }
}
