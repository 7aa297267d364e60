import Foundation
import Inference
import Testing

@testable import Confinement

/// A /proc and a mounted cgroup v2 as plain files. What the kernel makes in a new group is made beforehand.
private final class FakeSystem {
  let root: String
  var group: String { root + "/sys/fs/cgroup/system.slice/stadion.service" }

  init(
    mount: String = "36 25 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw",
    own: String = "0::/system.slice/stadion.service", processes: String = "\(getpid())",
    controllers: String = "cpuset cpu io memory pids"
  ) throws {
    root = NSTemporaryDirectory() + "stadion-cgroup-\(UUID().uuidString)"
    try write("proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\(mount)\n")
    try write("proc/self/cgroup", "4:memory:/elsewhere\n\(own)\n")
    let group = "sys/fs/cgroup/system.slice/stadion.service"
    for (name, text) in [
      ("cgroup.type", "domain"), ("cgroup.controllers", controllers), ("cgroup.procs", processes),
      ("cgroup.subtree_control", ""), ("host/cgroup.procs", ""),
    ] { try write("\(group)/\(name)", text) }
    for name in [
      "cgroup.procs", "cgroup.kill", "memory.max", "memory.swap.max", "memory.oom.group", "cpu.max", "pids.max",
    ] {
      try write("\(group)/runner-org.a/\(name)", "")
    }
    try write("\(group)/runner-org.a/memory.events", "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n")
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  func write(_ path: String, _ text: String) throws {
    let file = URL(fileURLWithPath: "\(root)/\(path)")
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try text.write(to: file, atomically: false, encoding: .utf8)
  }

  func text(_ name: String) -> String? { try? String(contentsOfFile: "\(group)/\(name)", encoding: .utf8) }

  func prepare() throws -> HostControlGroup { try HostControlGroup.prepare(root: root) }
}

private func refusal<Value>(_ body: () throws -> Value) -> String {
  do { return "went well: \(try body())" } catch { return "\(error)" }
}

@Suite struct `Control groups` {
  @Test func `make room for runners beside the host`() throws {
    let system = try FakeSystem()
    let host = try system.prepare()
    #expect(host.path == system.group)
    #expect(host.controllers == ["cpu", "memory", "pids"])
    #expect(system.text("host/cgroup.procs") == "\(getpid())")
    #expect(system.text("cgroup.subtree_control") == "+cpu +memory +pids")
  }

  @Test func `set limits, take a process in and end it`() throws {
    let system = try FakeSystem()
    let limits = ControlGroup.Limits(memoryBytes: 1 << 30, cpus: 1.5, threads: 64)
    let group = try ControlGroup(named: "org.a", in: system.prepare(), limits)
    try group.add(4711)
    group.remove()
    let written = [
      "memory.max", "memory.swap.max", "memory.oom.group", "cpu.max", "pids.max", "cgroup.procs", "cgroup.kill",
    ]
    .map { system.text("runner-org.a/\($0)") }
    #expect(written == ["\(1 << 30)", "0", "1", "150000 100000", "64", "4711", "1"])
    #expect(group.outOfMemoryKills == 2)
  }

  @Test func `leave out limits that nobody asked for`() throws {
    let system = try FakeSystem()
    _ = try ControlGroup(named: "org.a", in: system.prepare(), .init(cpus: 0.0001))
    #expect(system.text("runner-org.a/cpu.max") == "1000 100000")
    #expect(system.text("runner-org.a/memory.max") == "")
    #expect(system.text("runner-org.a/pids.max") == "")
  }

  @Test func `are found below a mount that isn't the top`() throws {
    let system = try FakeSystem(
      mount: "36 25 0:30 /docker/c1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
      own: "0::/docker/c1/system.slice/stadion.service")
    #expect(try system.prepare().path == system.group)
    let outside = try FakeSystem(mount: "36 25 0:30 /docker/c1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw")
    #expect(refusal(outside.prepare).contains("isn't below the mounted /docker/c1"))
  }

  @Test func `say why they can't be had`() throws {
    #expect(refusal(try FakeSystem(mount: "").prepare).hasPrefix("no cgroup v2 is mounted"))
    #expect(refusal(try FakeSystem(own: "1:cpu:/a").prepare) == "the host is in no group of cgroup v2")
    let shared = try FakeSystem(processes: "1\n\(getpid())\n2")
    #expect(refusal(shared.prepare).contains("holds 2 more processes besides the host"))
    #expect(shared.text("host/cgroup.procs") == "")
    #expect(shared.text("cgroup.subtree_control") == "")
    let foreign = try FakeSystem()
    try FileManager.default.removeItem(atPath: foreign.group + "/cgroup.procs")
    #expect(refusal(foreign.prepare).contains("isn't the host's to divide (No such file or directory)"))
    let poor = try FakeSystem(controllers: "cpu").prepare()
    #expect(poor.controllers == ["cpu"])
    #expect(
      refusal { try ControlGroup(named: "org.a", in: poor, .init(memoryBytes: 1, threads: 1)) }
        .contains("has no controller memory, pids"))
  }

  @Test(arguments: ["", "a/b", "..", "a\0b", String(repeating: "x", count: 300)])
  func `stay below the host's own`(name: String) throws {
    let system = try FakeSystem()
    let host = try system.prepare()
    let text = refusal { try ControlGroup(named: name, in: host, .init()) }
    // ".." is a name like any other behind the prefix.
    if name == ".." {
      #expect(text.contains("\(system.group)/runner-.."))
    } else {
      #expect(text.contains("can't name"))
    }
  }

  /// On the kernel's own cgroup v2, whatever controllers it has; few machines give tests one.
  @Test func `hold a process until it has ended`() throws {
    let host: HostControlGroup
    do { host = try HostControlGroup.prepare() } catch {
      #expect(error.code == .unsupported)
      return
    }
    let group = try ControlGroup(named: "test-\(getpid())", in: host, .init())
    defer { group.remove() }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sleep")
    process.arguments = ["20"]
    try process.run()
    try group.add(process.processIdentifier)
    let place = try String(contentsOfFile: "/proc/\(process.processIdentifier)/cgroup", encoding: .utf8)
    #expect(place.contains("/runner-test-\(getpid())\n"))
    #expect(FileManager.default.fileExists(atPath: group.path))
    group.remove()  // Ends it.
    process.waitUntilExit()
    #expect(process.terminationStatus == SIGKILL)
    group.remove()
    #expect(!FileManager.default.fileExists(atPath: group.path))
    group.remove()
  }
}
