import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// Runners' processes of several tenants.
@Suite(.blocking) struct `Runner processes of tenants` {
  private static let escaping = "org.stadion.test.escaping"
  private static let tenants = ["acme", "other"]

  /// A host whose two tenants have a model `own`, which reads a file of its tenant's, and `next`, which reads one of the
  /// other's; in acme also `stored`, which reads what the registry keeps for the other.
  private static func start(isolation: String) throws -> Host {
    let folder = TemporaryFolder()
    let host = try Host(
      ["--data", "\(folder.path)/data"], manifests: "\(folder.path)/runners", folder: folder
    ) {
      $0.makeFolder("runners")
      try $0.addEscaping(isolation: isolation)
      try $0.addFaulty("org.a", isolation: isolation)
      try $0.write("models/mine/1/model.escaping", "attempt=read\nargument=\(secret(of: "acme", $0))\n")
    }
    for tenant in tenants {
      for (name, owner) in [("own", tenant), ("next", tenants.first { $0 != tenant }!)] {
        try folder.write(
          "data/tenants/\(tenant)/models/\(name)/1/model.escaping",
          "attempt=read\nargument=\(secret(of: owner, folder))\n")
      }
      try folder.write("data/tenants/\(tenant)/models/flawed/1/model.faulty", "bias=1\n")
    }
    let stored = "data/models/other/registered/1/model.escaping"
    try folder.write(stored, "attempt=null\n")
    try folder.write(
      "data/tenants/acme/models/stored/1/model.escaping", "attempt=read\nargument=\(folder.path)/\(stored)\n")
    for tenant in tenants { _ = try host.json("POST", "/v1/tenants", #"{"id": "\#(tenant)"}"#) }
    return host
  }

  private static func secret(of tenant: String, _ folder: TemporaryFolder) -> String {
    "\(folder.path)/data/tenants/\(tenant)/models/own/1/model.escaping"
  }

  /// What reading has ended with: 0, or an error number.
  private static func code(_ host: Host, _ model: String, key: String?) throws -> Int? {
    let headers = key.map { [("Authorization", "Bearer \($0)")] } ?? []
    let answer = try host.send("POST", "/v2/models/\(model)/infer", #"{"inputs": []}"#, headers: headers)
    return try JSONValue(parsing: answer.body)["outputs"]?.array?.first?["data"]?.array?.first?.int
  }

  private static func key(_ host: Host, of tenant: String, role: String = "infer") throws -> String {
    try host.makeKey(#"{"tenant": "\#(tenant)", "role": "\#(role)"}"#).key
  }

  /// By tenant; of the default one under "default", of all under "*".
  private static func processes(_ host: Host, _ id: String = escaping) throws -> [String: Int] {
    let rows = try host.json("GET", "/v1/runners")["runners"]?.array ?? []
    return Dictionary(
      rows.filter { $0["id"]?.string == id }.map { ($0["tenant"]?.string ?? "*", $0["processID"]?.int ?? 0) }
    ) { first, _ in first }
  }

  @Test func `see the models of one tenant`() throws {
    let host = try Self.start(isolation: "process")
    for tenant in Self.tenants {
      let key = try Self.key(host, of: tenant)
      #expect(try Self.code(host, "own", key: key) == 0)
      #expect(try Self.code(host, "next", key: key) == Int(EACCES))
    }
    #expect(try Self.code(host, "stored", key: Self.key(host, of: "acme")) == Int(EACCES))
    #expect(try Self.code(host, "mine", key: nil) == Int(EACCES))
    let processes = try Self.processes(host)
    #expect(processes.keys.sorted() == ["acme", "default", "other"] && Set(processes.values).count == 3)
  }

  @Test func `are one where the operator says so`() throws {
    let host = try Self.start(isolation: "shared-process")
    #expect(try Self.code(host, "next", key: Self.key(host, of: "acme")) == 0)
    #expect(try Self.code(host, "mine", key: nil) == 0)
    #expect(try Self.processes(host).keys.sorted() == ["*"])
    let row = try #require(try host.runner(Self.escaping))
    #expect(row["isolation"] == "shared-process" && row["crashes"] == 0)
  }

  @Test func `end with one tenant's requests at most`() throws {
    let host = try Self.start(isolation: "process")
    let (acme, other) = (try Self.key(host, of: "acme"), try Self.key(host, of: "other"))
    func status(_ key: String) throws -> Int {
      try host.send(
        "POST", "/v2/models/flawed/infer", Host.question(), headers: [("Authorization", "Bearer \(key)")]
      ).status
    }
    #expect(holds { (try? status(acme)) == 200 && (try? status(other)) == 200 }, "\(host.state)")
    let before = try Self.processes(host, "org.a")
    kill(pid_t(try #require(before["acme"])), SIGKILL)
    #expect(holds { (try? Self.processes(host, "org.a")["acme"]) != before["acme"] && (try? status(acme)) == 200 })
    #expect(try Self.processes(host, "org.a")["other"] == before["other"])
    let rows = try host.json("GET", "/v1/runners")["runners"]?.array ?? []
    let crashes = rows.filter { $0["id"] == "org.a" }.map {
      "\($0["tenant"]?.string ?? "*") \($0["crashes"]?.int ?? -1)"
    }
    #expect(crashes.sorted() == ["acme 1", "default 0", "other 0"])
    let metrics = try host.send("GET", "/metrics").text
    #expect(metrics.contains(#"stadion_runner_crashes_total{runner="org.a",tenant="acme",signal="SIGKILL"} 1"#))
    // Its owner sees that, nobody else does.
    for (key, count) in [(acme, 1), (other, 0)] {
      let answer = try host.send("GET", "/v1/runners/org.a", headers: [("Authorization", "Bearer \(key)")])
      #expect(try JSONValue(parsing: answer.body)["crashes"]?.int == count)
    }
    let after = try Self.processes(host, "org.a")
    #expect(try host.stadion("runner", "restart", "org.a", "--tenant", "other").status == 0)
    let last = try Self.processes(host, "org.a")
    #expect(last["acme"] == after["acme"] && last["other"] != after["other"] && last["other"] != 0)
    #expect(try status(other) == 200)
  }

  @Test func `go with their tenant`() throws {
    let host = try Self.start(isolation: "process")
    let process = Int32(try #require(try Self.processes(host)["acme"]))
    #expect(Processes.runs(process))
    #expect(try host.send("DELETE", "/v1/tenants/acme").status == 200)
    #expect(holds { !Processes.runs(process) })
    #expect(try Self.processes(host).keys.sorted() == ["default", "other"])
    // Whoever comes later under the same name begins anew.
    _ = try host.json("POST", "/v1/tenants", #"{"id": "acme"}"#)
    #expect(try Self.code(host, "own", key: Self.key(host, of: "acme")) == 0)
  }

  /// A terminal's keys reach no runner: none is in the host's process group.
  @Test func `have sessions of their own but for the default one's`() throws {
    let host = try Self.start(isolation: "process")
    for (tenant, number) in try Self.processes(host) {
      let process = pid_t(number)
      #expect(getpgid(process) == process)
      #expect(getsid(process) == (tenant == "default" ? getsid(host.command.pid) : process), "\(tenant)")
    }
  }

  @Test(.enabled(if: canWeigh, "machine: no autogroups that this user may weigh"))
  func `have the part of the cores that their tenant's weight says`() throws {
    let host = try Self.start(isolation: "process")
    func level(_ tenant: String) throws -> Int? {
      Self.level(try Self.processes(host)[tenant])
    }
    #expect(try level("acme") == 0)
    #expect(try host.stadion("quota", "--tenant", "acme", "--set", "weight=4").status == 0)
    #expect(holds { (try? level("acme")) == -6 })
    #expect(try level("other") == 0)
    // A process that comes later has it from the start.
    kill(pid_t(try #require(try Self.processes(host)["acme"])), SIGKILL)
    #expect(holds { (try? level("acme")) == -6 })
    // So has one that takes its place.
    #expect(try host.stadion("runner", "restart", Self.escaping, "--tenant", "acme").status == 0)
    #expect(try level("acme") == -6)
    #expect(try host.stadion("quota", "--tenant", "acme", "--set", "weight=default").status == 0)
    #expect(holds { (try? level("acme")) == 0 })
  }

  /// Asked of a session of its own: the one that the tests run in may be the kernel's first, which has no autogroup.
  private static let canWeigh =
    (try? Command.run(["setsid", "--wait", "sh", "-c", "echo -6 > /proc/self/autogroup"]).status) == 0

  /// "/autogroup-71 nice -6": how much more of the cores than others its session gets, in steps of a quarter.
  private static func level(_ process: Int?) -> Int? {
    let text = FileManager.default.contents(atPath: "/proc/\(process ?? 0)/autogroup") ?? Data()
    return String(decoding: text, as: UTF8.self).split(whereSeparator: \.isWhitespace).last.flatMap { Int($0) }
  }

  @Test func `change when their manifest does`() throws {
    let host = try Self.start(isolation: "process")
    let key = try Self.key(host, of: "acme")
    try host.folder.writeEscapingManifest(isolation: "shared-process")
    #expect(holds { (try? Self.processes(host).keys.sorted()) == ["*"] }, "\(host.state)")
    #expect(holds { (try? Self.code(host, "next", key: key)) == 0 })
    try host.folder.writeEscapingManifest(isolation: "process")
    #expect(holds { (try? Self.code(host, "next", key: key)) == Int(EACCES) })
    #expect(holds { (try? Self.processes(host).keys.sorted()) == ["acme", "default", "other"] }, "\(host.state)")
  }

  /// Inside the host there are none.
  @Test(arguments: [
    [("shared-process", ["*"]), ("process", tenants), ("shared-process", ["*"])],
    [("host", []), ("process", tenants), ("host", []), ("process", tenants)],
  ])
  func `change without a request that fails`(changes: [(String, [String])]) throws {
    let host = try Self.start(isolation: "process")
    let clients = try Self.tenants.map { SteadyClients(host, "flawed", count: 2, key: try Self.key(host, of: $0)) }
    for (isolation, tenants) in changes {
      let old = try Self.processes(host, "org.a").values.filter { $0 != 0 }.map { Int32($0) }
      for each in clients { #expect(each.answersMore()) }
      try host.folder.writeFaultyManifest("org.a", isolation: isolation)
      #expect(
        holds { (try? Self.processes(host, "org.a").filter { $0.value != 0 }.keys.sorted()) == tenants },
        "\(isolation): \(host.state)")
      for process in old { #expect(holds { !Processes.runs(process) }, "an old process is still there") }
    }
    for each in clients {
      #expect(each.answersMore())
      #expect(each.stop() == [:])
    }
    #expect(try host.runner()?["crashes"] == 0 && host.runner()?["reason"] == nil)
  }

  @Test func `stay as they are when they can't change, and say why`() throws {
    let host = try Self.start(isolation: "process")
    let keys = try Self.tenants.map { try Self.key(host, of: $0) }
    func status(_ key: String) throws -> Int {
      try host.send(
        "POST", "/v2/models/flawed/infer", Host.question(), headers: [("Authorization", "Bearer \(key)")]
      ).status
    }
    for key in keys { #expect(holds { (try? status(key)) == 200 }, "\(host.state)") }
    let before = try Self.processes(host, "org.a")
    let clients = keys.map { SteadyClients(host, "flawed", count: 1, key: $0) }
    try host.folder.writeFaultyManifest("org.a", #""options": {"refuse_load": "too old"}"#, isolation: "shared-process")
    #expect(
      try holds { try host.runner()?["reason"]?.string?.contains("its replacement isn't used: ") == true },
      "\(host.facts)")
    #expect(try Self.processes(host, "org.a") == before)
    // Whoever comes now has one of the old kind.
    _ = try host.json("POST", "/v1/tenants", #"{"id": "late"}"#)
    try host.folder.write("data/tenants/late/models/flawed/1/model.faulty", "bias=1\n")
    let late = try Self.key(host, of: "late")
    #expect(holds { (try? status(late)) == 200 }, "\(host.state)")
    try host.folder.writeFaultyManifest("org.a", isolation: "shared-process")
    #expect(holds { (try? Self.processes(host, "org.a").keys.sorted()) == ["*"] }, "\(host.state)")
    #expect(try status(late) == 200)
    for each in clients {
      #expect(each.answersMore())
      #expect(each.stop() == [:])
    }
  }
}
