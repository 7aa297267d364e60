import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// Changes and requests at once.
@Suite(.blocking) struct `Tenants under change` {
  @Test func `of many that come and go at once, those that stay are served`() throws {
    let folder = TemporaryFolder()
    let host = try Host(["--data", "\(folder.path)/data"])
    let script = (0..<24).map { index in
      let path = index % 3 == 0 ? "tenants/t\(index)" : "tenants"
      let words = index % 3 == 0 ? "-X DELETE" : "-d {\\\"id\\\":\\\"n\(index)\\\"}"
      return "curl -s -o /dev/null --unix-socket \(host.socket) \(words) http://host/v1/\(path) &"
    }
    for index in stride(from: 0, to: 24, by: 3) { _ = try host.json("POST", "/v1/tenants", "{\"id\":\"t\(index)\"}") }
    let result = try Command.run(["bash", "-c", script.joined(separator: "\n") + "\nwait"])
    #expect(result.status == 0, "\(result.errors)")
    let there = (try host.json("GET", "/v1/tenants")["tenants"]?.array ?? []).compactMap { $0["id"]?.string }
    let stays = (0..<24).filter { $0 % 3 != 0 }.map { "n\($0)" }
    #expect(Set(there) == Set(stays + ["default"]))
    for tenant in stays {
      let models = "\(folder.path)/data/tenants/\(tenant)/models/own"
      try FileManager.default.createDirectory(atPath: "\(models)/1", withIntermediateDirectories: true)
      try Data(#"{"format": "echo", "options": {"inputs": "INPUT0:f32[-1]"}}"#.utf8).write(
        to: URL(fileURLWithPath: "\(models)/model.json"))
    }
    for tenant in stays {
      #expect(try host.send("POST", "/v2/repository/models/own/load?tenant=\(tenant)", "{}").status == 200, "\(tenant)")
    }
  }
}
