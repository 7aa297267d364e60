import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// Callers and tenants of a real host.
@Suite(.blocking) struct `Tenants` {
  private let folder = TemporaryFolder()

  private func host(_ arguments: String...) throws -> Host {
    try Host(["--data", "\(folder.path)/data", "--listen", "127.0.0.1:0"] + arguments) {
      try $0.addEcho("identity", "INPUT0:f32[-1]")
    }
  }

  private func key(_ host: Host, _ body: String) throws -> (id: String, key: String) {
    let made = try host.json("POST", "/v1/keys", body)
    return (try #require(made["id"]?.string), try #require(made["key"]?.string, "\(made.text)"))
  }

  private func status(
    _ host: Host, _ key: String, _ path: String, _ method: String = "GET", header: String = "X-API-Key"
  ) throws -> Int {
    try host.send(method, path, headers: [(header, key)]).status
  }

  @Test func `are known by their keys, until these are revoked`() throws {
    let host = try host()
    let (id, key) = try key(host, #"{"role": "infer"}"#)
    #expect(key.hasPrefix("stadion_") && key.utf8.count == 51)
    #expect(try status(host, key, "/v2") == 200)
    #expect(try status(host, "Bearer \(key)", "/v2", header: "Authorization") == 200)
    #expect(try status(host, key + "x", "/v2") == 401)
    #expect(try host.send("DELETE", "/v1/keys/\(id)").status == 200)
    #expect(try status(host, key, "/v2") == 401)
    let listed = try host.json("GET", "/v1/keys").text
    #expect(listed.contains(id) && !listed.contains(key))
  }

  @Test func `may do what their role says`() throws {
    let host = try host()
    let (_, infer) = try key(host, #"{"role": "infer"}"#)
    let (_, publish) = try key(host, #"{"role": "publish"}"#)
    #expect(try status(host, infer, "/v2/repository/models/identity/load", "POST") == 403)
    #expect(try status(host, publish, "/v2/repository/models/identity/load", "POST") == 200)
    #expect(try status(host, publish, "/v1/keys") == 403)
  }

  @Test func `see their own models only`() throws {
    let host = try host()
    #expect(try host.json("POST", "/v1/tenants", #"{"id": "acme"}"#)["id"] == "acme")
    let (_, key) = try key(host, #"{"tenant": "acme", "role": "admin"}"#)
    let models = "\(folder.path)/data/tenants/acme/models/own"
    try FileManager.default.createDirectory(atPath: "\(models)/1", withIntermediateDirectories: true)
    try Data(#"{"format": "echo", "options": {"inputs": "INPUT0:f32[-1]"}}"#.utf8).write(
      to: URL(fileURLWithPath: "\(models)/model.json"))
    let isServed = try holds { try status(host, key, "/v2/models/own/ready") == 200 }
    #expect(isServed, "\(host.state)")
    #expect(try status(host, key, "/v2/models/identity") == 404)
    #expect(try host.send("GET", "/v2/models/own").status == 404)
    #expect(try host.json("GET", "/v2/models?tenant=acme")["models"] == ["own"])
    #expect(try status(host, key, "/v2/models?tenant=default") == 403)
    #expect(try status(host, key, "/v1/runners/echo/restart", "POST") == 403)
    #expect(try host.send("DELETE", "/v1/tenants/acme").status == 200)
    #expect(try status(host, key, "/v2") == 401)
  }

  @Test func `are kept, and the audit with them`() throws {
    var id = ""
    do {
      let host = try host()
      id = try key(host, #"{"label": "kept"}"#).id
    }
    let host = try host()
    #expect(try host.json("GET", "/v1/keys")["keys"]?.array?.first?["label"] == "kept")
    let entry = try host.json("GET", "/v1/audit")["entries"]?.array?.first
    #expect(entry?["action"] == "key.add" && entry?["subject"]?.string == "\(id) infer")
    #expect(entry?["origin"]?.string?.hasPrefix("unix uid=") == true)
  }

  @Test func `over TCP need a key`() throws {
    let host = try host()
    let line = try #require(
      try host.log("listening").compactMap { $0["address"]?.string }.first { !$0.hasPrefix("unix:") })
    let (_, key) = try key(host, "{}")
    func curl(_ words: String...) throws -> String {
      let command = ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}"]
      return try Command.run(command + words + ["http://\(line)/v2"]).output
    }
    #expect(try curl() == "401")
    #expect(try curl("--header", "Authorization: Bearer \(key)") == "200")
  }
}
