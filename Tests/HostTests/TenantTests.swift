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

  private func key(_ host: Host, _ body: String) throws -> (id: String, key: String) { try host.makeKey(body) }

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

  @Test func `are known by a key at most a second after it is revoked, also on a connection that has used it`() throws {
    let host = try host()
    let (id, key) = try key(host, "{}")
    let caller = StadionClient(.unix(path: host.socket), timeout: .seconds(20), key: key)
    #expect(try caller.isReady())
    let began = ContinuousClock.now
    #expect(try host.send("DELETE", "/v1/keys/\(id)").status == 200)
    #expect(try caller.connection.send("GET", "/v2").status == 401)
    #expect(ContinuousClock.now - began < .seconds(1))
  }

  @Test func `are known by a key until it expires, also on a connection that has used it`() throws {
    let host = try host()
    let (id, key) = try key(host, #"{"expiresInSeconds": 1}"#)
    let caller = StadionClient(.unix(path: host.socket), timeout: .seconds(20), key: key)
    let expiresMs = try #require(host.json("GET", "/v1/keys")["keys"]?.array?.first?["expiresMs"]?.int)
    let isRefused = try holds { try caller.connection.send("GET", "/v2").status == 401 }
    #expect(isRefused && Date().timeIntervalSince1970 * 1000 >= Double(expiresMs))
    #expect(try host.json("GET", "/v1/keys")["keys"]?.array?.first?["state"] == "expired")
    #expect(try host.send("POST", "/v1/keys/\(id)/rotate", "{}").status == 409)
  }

  @Test func `change over to another key without a request that fails`() throws {
    let host = try host()
    let (oldID, old) = try key(host, #"{"role": "publish", "label": "app"}"#)
    let caller = StadionClient(.unix(path: host.socket), timeout: .seconds(20), key: old)
    #expect(try caller.isReady())
    let made = try host.json("POST", "/v1/keys/\(oldID)/rotate", #"{"overlapSeconds": 3600}"#)
    let new = try #require(made["key"]?.string)
    #expect(made["role"] == "publish" && made["label"] == "app" && new != old)
    for key in [old, new, old, new] { #expect(try status(host, key, "/v2") == 200) }
    #expect(try caller.isReady())
    #expect(try host.send("POST", "/v1/keys/\(oldID)/rotate", #"{"overlapSeconds": 0}"#).status == 200)
    #expect(try status(host, old, "/v2") == 401)
    #expect(try caller.connection.send("GET", "/v2").status == 401)
    #expect(try status(host, new, "/v2") == 200)
  }

  @Test func `have a key that says what nobody understands refused`() throws {
    let host = try host()
    for body in [
      #"{"expiresInSecond": 60}"#, #"{"role": "root"}"#, #"{"tenant": "../x"}"#, #"{"tenant": "nobody"}"#,
      #"{"expiresInSeconds": 0}"#, "[]",
    ] {
      #expect([400, 404].contains(try host.send("POST", "/v1/keys", body).status), "\(body)")
    }
    #expect(try host.json("GET", "/v1/keys")["keys"] == [])
  }

  @Test(.enabled(if: geteuid() == 0, "machine: not run by root, who alone can be another user"))
  func `are known on the Unix socket by user, else by group`() throws {
    let host = try host("--unmapped-role", "none")
    for (path, mode) in [(host.folder.path, 0o755), (host.socket, 0o666)] { #expect(chmod(path, mode_t(mode)) == 0) }
    func status(_ uid: Int, _ gid: Int, _ path: String = "/v2/models") throws -> String {
      let command = ["setpriv", "--reuid", "\(uid)", "--regid", "\(gid)", "--clear-groups"]
      return try Command.run(
        command + ["curl", "-s", "-w", " %{http_code}", "--unix-socket", host.socket, "http://host\(path)"]
      ).output
    }
    for id in ["acme", "other"] { _ = try host.json("POST", "/v1/tenants", "{\"id\": \"\(id)\"}") }
    #expect(try status(4711, 4712).hasSuffix(" 401"))
    #expect(try host.send("POST", "/v1/tenants/acme/users", #"{"gid": 4712, "role": "admin"}"#).status == 200)
    #expect(try status(4711, 4712) == #"{"models":[]} 200"#)
    #expect(try status(4711, 4712, "/v1/tenants").contains("acme"))
    #expect(try host.send("POST", "/v1/tenants/other/users", #"{"uid": 4711}"#).status == 200)
    #expect(try status(4711, 4712, "/v1/tenants").hasSuffix(" 403"), "the user's own line goes first")
    #expect(try host.send("DELETE", "/v1/tenants/other/users/uid/4711").status == 200)
    #expect(try host.send("DELETE", "/v1/tenants/acme/users/gid/4712").status == 200)
    #expect(try status(4711, 4712).hasSuffix(" 401"))
    #expect(try host.send("POST", "/v1/tenants/acme/users", "{\"uid\": \(geteuid())}").status == 409)
    #expect(try host.send("POST", "/v1/tenants/acme/users", #"{"uid": 1, "gid": 1}"#).status == 400)
    #expect(try host.send("POST", "/v1/tenants/acme/users", #"{"uid": 4294967295}"#).status == 400)
  }

  @Test func `have a quota each`() throws {
    let host = try host("--quota-requests-per-second", "1", "--quota-burst", "1")
    var keys: [String] = []
    for id in ["acme", "other"] {
      _ = try host.json("POST", "/v1/tenants", "{\"id\": \"\(id)\"}")
      keys.append(try key(host, "{\"tenant\": \"\(id)\"}").key)
    }
    // A tenant without models: 404 counts all the same.
    let path = "/v2/models/none/infer"
    for key in keys {
      #expect(try status(host, key, path, "POST") == 404)
      #expect(try status(host, key, path, "POST") == 429)
    }
    #expect(try host.send("POST", path, "{}").status == 404)
  }

  @Test func `stand in lines of the log and in refusals`() throws {
    let host = try host("--log-level", "debug")
    _ = try host.json("POST", "/v1/tenants", #"{"id": "acme"}"#)
    let (_, key) = try key(host, #"{"tenant": "acme"}"#)
    let refused = try host.send("GET", "/v2/models/none", headers: [("X-API-Key", key), ("X-Request-Id", "of-acme")])
    #expect(try JSONValue(parsing: refused.body)["tenant"] == "acme")
    let isThere = try holds {
      try host.log("request").contains { $0["requestId"] == "of-acme" && $0["tenant"] == "acme" }
    }
    #expect(isThere)
    #expect(!host.command.errors.contains(key), "a key stands in the log")
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

  private func refused(_ host: Host) throws -> [JSONValue] {
    (try host.json("GET", "/v1/audit?limit=1000")["entries"]?.array ?? []).filter { $0["action"] == "caller.refuse" }
  }

  @Test func `that can't be known stand in the audit, without their keys and after a restart, too`() throws {
    let wrong = "stadion_\(String(repeating: "w", count: 43))"
    var revoked = (id: "", key: "")
    do {
      let host = try host()
      _ = try host.json("POST", "/v1/tenants", #"{"id": "acme"}"#)
      revoked = try key(host, #"{"tenant": "acme"}"#)
      #expect(try host.send("DELETE", "/v1/keys/\(revoked.id)").status == 200)
      #expect(try status(host, wrong, "/v2") == 401)
      #expect(try holds { try refused(host).count == 1 })
      #expect(try status(host, revoked.key, "/v2") == 401)
      #expect(try holds { try refused(host).count == 2 })
      // Not due for a minute, but for the end.
      for _ in 0..<3 { #expect(try status(host, wrong, "/v2") == 401) }
      host.command.send(SIGTERM)
      #expect(try host.command.wait().status == 0)
    }
    let host = try host()
    let entries = try refused(host)
    let lines = entries.map { entry in
      ["tenant", "caller", "origin", "subject", "count"].map { entry[$0]?.string ?? entry[$0]?.text ?? "" }
        .joined(separator: " ")
    }
    let origin = "unix uid=\(geteuid())"
    #expect(
      lines == [
        "default nobody \(origin) unknown key 3", "acme key:\(revoked.id) \(origin) revoked key 1",
        "default nobody \(origin) unknown key 1",
      ])
    #expect(entries.allSatisfy { ($0["requestId"]?.string ?? "") != "" && ($0["sinceMs"]?.int ?? 0) > 0 })
    #expect(!entries.description.contains(wrong) && !entries.description.contains(revoked.key))
    // A tenant's admin sees what was tried with its keys.
    let admin = try key(host, #"{"tenant": "acme", "role": "admin"}"#).key
    let seen = try host.send("GET", "/v1/audit", headers: [("X-API-Key", admin)])
    #expect(String(decoding: seen.body, as: UTF8.self).contains(revoked.id))
    #expect(!String(decoding: seen.body, as: UTF8.self).contains("unknown key"))
  }

  @Test func `that can't be known fill neither the audit nor others' time, however many`() throws {
    let host = try host()
    let database = "\(folder.path)/data/stadion.db"
    func bytes() -> Int {
      [database, database + "-wal"].reduce(0) {
        $0 + ((try? FileManager.default.attributesOfItem(atPath: $1)[.size]) as? Int ?? 0)
      }
    }
    // What it takes without them.
    #expect(try status(host, "stadion_first", "/v2") == 401)
    #expect(try holds { try refused(host).count == 1 })
    let before = bytes()
    let count = 4000
    let flood = try Command([
      "\(Setup.python)", "-c",
      """
      import socket, sys
      for i in range(\(count)):
        s = socket.socket(socket.AF_UNIX)
        s.connect(sys.argv[1])
        s.sendall(b"GET /v2 HTTP/1.1\\r\\nHost: h\\r\\nX-API-Key: stadion_%043d\\r\\n\\r\\n" % i)
        assert s.recv(12) == b"HTTP/1.1 401"
        s.close()
      """, host.socket,
    ])
    var (answers, slowest) = (0, Duration.zero)
    while flood.status == nil {
      let began = ContinuousClock.now
      #expect(try host.send("GET", "/v2/models/identity/ready").status == 200)
      slowest = max(slowest, ContinuousClock.now - began)
      answers += 1
    }
    #expect(try flood.wait().status == 0, "\(flood.errors)")
    #expect(answers > 10 && slowest < .seconds(1), "\(answers) answers, the slowest after \(slowest)")
    #expect(try host.metric(#"stadion_authentication_failures_total{reason="unknown_key"}"#) == Double(count + 1))
    host.command.send(SIGTERM)
    #expect(try host.command.wait().status == 0)
    #expect(bytes() <= before + 64 * 1024)
    let again = try self.host()
    let entries = try refused(again)
    #expect(entries.count <= 4 && entries.reduce(0) { $0 + ($1["count"]?.int ?? 0) } == count + 1, "\(entries)")
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
    let refused = try Command.run(["curl", "-si", "-H", "Accept: application/problem+json", "http://\(line)/v1/keys"])
    #expect(refused.output.contains("Content-Type: application/problem+json\r\n"), "\(refused.output)")
    #expect(refused.output.contains(#""type":"urn:stadion:error:unauthenticated""#))
  }
}
