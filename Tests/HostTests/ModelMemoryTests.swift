import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// The memory that a tenant's loaded models may take.
@Suite(.blocking) struct `Memory of loaded models` {
  private static let megabyte = 1 << 20

  /// A model counts by its files at least; these are sparse and never read.
  private func add(_ name: String, megabytes: Int, _ folder: TemporaryFolder) throws {
    try folder.addEcho(name, "X:f32[-1]")
    let path = try folder.write("models/\(name)/1/weights.bin", "")
    #expect(truncate(path, megabytes * Self.megabyte) == 0)
  }

  private func host(limit megabytes: Int) throws -> Host {
    let folder = TemporaryFolder()
    folder.makeFolder("runners")
    return try Host(
      ["--data", "\(folder.path)/data", "--quota-loaded-model-bytes", "\(megabytes * Self.megabyte)"],
      manifests: "\(folder.path)/runners", folder: folder
    ) {
      try $0.addEchoRunner()
      try add("a", megabytes: 64, $0)
      try add("b", megabytes: 64, $0)
    }
  }

  private func loaded(_ host: Host) throws -> Int {
    try host.json("GET", "/v1/quota")["now"]?["loadedModelBytes"]?.int ?? -1
  }

  private func served(_ host: Host) throws -> [String] {
    try host.index().filter { $0.hasSuffix("READY") }.map { String($0.prefix(1)) }
  }

  @Test func `what has no room isn't loaded, and says why`() throws {
    let host = try host(limit: 100)
    let first = try #require(try served(host).first)
    let second = first == "a" ? "b" : "a"
    #expect(try served(host) == [first])
    #expect(
      host.state.contains("\(second):1 UNAVAILABLE: \(100 * Self.megabyte) bytes of loaded models are the limit"))
    #expect(try loaded(host) >= 64 * Self.megabyte)
    let refused = try host.send("POST", "/v2/repository/models/\(second)/load")
    #expect(refused.status == 429)
    let limit = 100 * Self.megabyte
    #expect(refused.rateLimit == "\"loadedModelBytes\";q=\(limit);qu=\"memory-bytes\" \(limit) 0 60 after 60")
    let details = try JSONValue(parsing: refused.body)["details"]
    #expect(details?["limit"] == "loadedModelBytes" && details?["value"]?.int == 100 * Self.megabyte)
    // Room is made by unloading.
    #expect(try host.send("POST", "/v2/repository/models/\(first)/unload").status == 200)
    #expect(try loaded(host) == 0)
    #expect(try host.send("POST", "/v2/repository/models/\(second)/load").status == 200)
    #expect(try served(host) == [second])
  }

  @Test func `what has no room isn't registered, and leaves nothing behind`() throws {
    let folder = TemporaryFolder()
    let host = try Host(["--data", "\(folder.path)/data", "--quota-loaded-model-bytes", "50"], folder: folder)
    let refused = try host.stadion("model", "push", Setup.onnx("identity"), "m")
    #expect(refused.status == 1)
    #expect(refused.errors.contains("50 bytes of loaded models are the limit"), "\(refused.errors)")
    let now = try host.json("GET", "/v1/quota")["now"]
    #expect(now?["registeredModels"] == 0 && now?["loadedModelBytes"] == 0, "\(now?.text ?? "")")
  }

  @Test func `a higher limit loads at once what had no room`() throws {
    let host = try host(limit: 100)
    #expect(try served(host).count == 1)
    let limit = "{\"loadedModelBytes\": \(200 * Self.megabyte)}"
    #expect(try host.send("PATCH", "/v1/tenants/default/quota", limit).status == 200)
    #expect(try served(host) == ["a", "b"])
    #expect(try loaded(host) >= 128 * Self.megabyte)
    // A lower one takes nothing away.
    #expect(try host.send("PATCH", "/v1/tenants/default/quota", #"{"loadedModelBytes": 1}"#).status == 200)
    #expect(try served(host) == ["a", "b"])
  }

  @Test func `a process that has ended takes none`() throws {
    let host = try host(limit: 100)
    let first = try #require(try served(host).first)
    let before = try host.process("org.stadion.echo")
    #expect(kill(before, SIGKILL) == 0)
    #expect(
      try holds { try ![0, before].contains(host.process("org.stadion.echo")) && served(host).count == 1 },
      "\(first) didn't come back: \(host.state)")
    #expect(try loaded(host) < 100 * Self.megabyte)
  }

  @Test func `a runner is replaced though its models would be there twice`() throws {
    let host = try host(limit: 100)
    let first = try #require(try served(host).first)
    let before = try host.process("org.stadion.echo")
    #expect(try host.send("POST", "/v1/runners/org.stadion.echo/restart").status == 200)
    #expect(try host.process("org.stadion.echo") != before)
    #expect(try served(host) == [first])
    #expect(try holds { try loaded(host) < 100 * Self.megabyte })
  }
}
