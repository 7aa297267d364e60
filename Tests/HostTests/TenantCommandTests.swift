import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// `stadion tenant`, `stadion key`, and what docs/tenants.md says of them.
@Suite(.blocking) struct `Commands for tenants` {
  private let folder = TemporaryFolder()

  private func host() throws -> Host {
    try Host(["--data", "\(folder.path)/data", "--listen", "127.0.0.1:0"]) {
      try $0.addEcho("identity", "INPUT0:f32[-1]")
    }
  }

  private func address(_ host: Host) throws -> String {
    try #require(try host.log("listening").compactMap { $0["address"]?.string }.first { !$0.hasPrefix("unix:") })
  }

  @Test func `make keys that other commands use`() throws {
    let host = try host()
    #expect(try host.stadion("tenant", "add", "acme").output.hasPrefix("acme is a tenant"))
    let made = try host.stadion(
      "key", "create", "--tenant", "acme", "--role", "admin", "--label", "ci", "--expires-in", "90d")
    let key = made.output.trimmingCharacters(in: .newlines)
    #expect(made.status == 0 && key.hasPrefix("stadion_") && !made.errors.contains(key) && made.errors.contains("acme"))
    let url = "http://\(try address(host))"
    func stadion(_ words: String..., environment: [String: String] = [:]) throws -> Command.Result {
      try Command.run([Setup.stadion] + words + ["--url", url], environment: environment)
    }
    let refused = try stadion("model", "list")
    #expect(refused.status == 1 && refused.errors.contains("API key"), "\(refused.errors)")
    #expect(try stadion("model", "list", "--key", key).output.hasPrefix("No models."))
    #expect(try stadion("model", "list", environment: ["STADION_KEY": key]).status == 0)
    #expect(try stadion("model", "list", "--key", "a\nX-Y: b").status == 2)
    #expect(try stadion("runner", "list", "--all", "--key", key).status == 0)
    #expect(try stadion("tenant", "add", "mine", "--key", key).errors.contains("role 'admin' in the tenant 'default'"))
    let listed = try stadion("key", "list", "--key", key)
    let id = try #require(listed.output.split(separator: "\n").last?.split(separator: " ").first.map(String.init))
    #expect(listed.output.contains("valid") && listed.output.contains("ci") && !listed.output.contains(key))
    let next = try stadion("key", "rotate", id, "--overlap", "0s", "--key", key).output
    #expect(try stadion("key", "list", "--key", key).status == 1)
    let newKey = next.trimmingCharacters(in: .newlines)
    let rows = try stadion("key", "list", "--key", newKey).output
    #expect(rows.contains("expired"))
    let newID = try #require(rows.split(separator: "\n").first { $0.contains(" valid ") }?.split(separator: " ").first)
    #expect(try stadion("key", "revoke", String(newID), "--key", newKey).output == "key \(newID) is revoked\n")
    #expect(try stadion("key", "list", "--key", newKey).status == 1)
  }

  @Test func `say who is who on the socket`() throws {
    let host = try host()
    _ = try host.stadion("tenant", "add", "acme")
    #expect(
      try host.stadion("tenant", "map", "acme", "--uid", "4711", "--role", "publish").output
        == "user 4711 is publish of acme\n")
    #expect(try host.stadion("tenant", "map", "acme", "--gid", "4712").output == "group 4712 is infer of acme\n")
    let lines = try host.stadion("tenant", "list").output
    #expect(lines.contains("uid 4711 publish, gid 4712 infer"), "\(lines)")
    #expect(
      try host.stadion("tenant", "unmap", "acme", "--uid", "4711").output == "user 4711 acts for acme no more\n")
    #expect(try host.stadion("tenant", "map", "acme").status == 2)
    #expect(try host.stadion("tenant", "remove", "acme").output == "acme is gone\n")
    let audit = try host.stadion("tenant", "audit").output
    for word in ["tenant.add", "user.map", "user.unmap", "tenant.remove", "uid=\(geteuid())"] {
      #expect(audit.contains(word), "\(audit)")
    }
    let mapped = try host.stadion("tenant", "audit", "--action", "user.map", "--caller", "uid:\(geteuid())").output
    #expect(mapped.split(separator: "\n").count == 3 && !mapped.contains("user.unmap"), "\(mapped)")
    let page = try host.stadion("tenant", "audit", "--tenant", "acme", "--action", "user.map", "--limit", "1").output
    let cursor = try #require(page.split(separator: " ").last?.trimmingCharacters(in: .newlines))
    #expect(page.contains("gid:4712") && page.contains("There are more: --cursor \(cursor)"), "\(page)")
    #expect(
      try host.stadion("tenant", "audit", "--tenant", "acme", "--action", "user.map", "--cursor", cursor).output
        .contains("uid:4711"))
    #expect(try host.stadion("tenant", "audit", "--to", "2020-01-01").output.split(separator: "\n").count == 1)
    #expect(try host.stadion("tenant", "audit", "--from", "2020-01-01", "--limit", "1000").output == audit)
    #expect(try host.stadion("tenant", "audit", "--from", "yesterday").status == 2)
    #expect(try host.stadion("tenant", "list", "--limit", "1").output.contains("default"))
    #expect(try host.stadion("tenant", "remove", "default").status == 1)
    #expect(try host.stadion("key", "create", "--expires-in", "soon").status == 2)
  }

  @Test func `stand in docs/tenants.md as they are`() throws {
    let host = try host()
    let page = try String(contentsOfFile: "\(Setup.root)/docs/tenants.md", encoding: .utf8)
    let blocks = page.components(separatedBy: "```sh\n").dropFirst().compactMap {
      $0.components(separatedBy: "```").first
    }
    #expect(blocks.count >= 3)
    // The host of this test instead of one below /var.
    let script = blocks.joined().split(separator: "\n").filter { !$0.hasPrefix("stadion serve") }.joined(
      separator: "\n")
    let path = "\(URL(fileURLWithPath: Setup.stadion).deletingLastPathComponent().path):/usr/bin:/bin"
    let url = "http://\(try address(host))"
    let result = try Command.run(
      ["env", "PATH=\(path)", "bash", "-euo", "pipefail", "-c", script.replacing("http://127.0.0.1:8000", with: url)],
      environment: ["STADION_SOCKET": host.socket])
    #expect(result.status == 0, "\(result.errors)\n\(result.output)")
  }
}
