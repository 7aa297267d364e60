import Foundation
import Inference
import Testing

@testable import Manifests

@Suite struct `Searching manifests` {
  let folder = TemporaryFolder()

  private func search(_ paths: String...) -> ManifestSearch {
    ManifestSearch(hostFolder: "/opt/host", explicitPaths: paths.map { "\(folder.path)/\($0)" })
  }

  @Test func `one bad file never hides the others`() throws {
    try folder.write("m/a.runner.json", "{")
    try folder.write("m/b.runner.json", String(repeating: " ", count: 64 * 1024 + 1))
    try FileManager.default.createDirectory(atPath: "\(folder.path)/m/c.runner.json", withIntermediateDirectories: true)
    #expect(mkfifo("\(folder.path)/m/d.runner.json", 0o600) == 0)
    #expect(symlink("nowhere", "\(folder.path)/m/e.runner.json") == 0)
    try folder.runner("m/f", id: "org.f", library: "./missing.so")
    try folder.write("m/notes.json", "{")
    try folder.runner("m/z", id: "org.z")
    let result = search("m").run()
    #expect(result.manifests.map(\.id) == ["org.z"])
    #expect(result.problems.map { $0.file.suffix(13) } == "abcdef".map { "\($0).runner.json" })
    #expect(result.problems.last?.id == "org.f")
    #expect(result.problems.last?.message.hasSuffix("missing.so can't be opened: No such file or directory") == true)
  }

  @Test func `looks in byte order and not into folders below`() throws {
    for name in ["b", "B", "a", "sub/c"] {
      try folder.runner("m/\(name)", id: "org.\(name == "B" ? "bb" : name.suffix(1))")
    }
    #expect(search("m").run().manifests.map(\.id) == ["org.bb", "org.a", "org.b"])
  }

  @Test func `the first id wins, and a later one with another library is reported`() throws {
    let first = try folder.runner("1/x", id: "org.x")
    try folder.runner("2/x", id: "org.x")
    let result = search("1", "2").run()
    #expect(result.manifests.map(\.sourcePath) == [first])
    #expect(result.problems.map(\.key) == ["id"])
    #expect(result.problems.first?.message.contains(first) == true)
  }

  @Test func `the same library under the same id counts once, quietly`() throws {
    try folder.runner("1/x", id: "org.x")
    #expect(symlink("1", "\(folder.path)/2") == 0)
    let result = search("1", "2").run()
    #expect(result.manifests.count == 1)
    #expect(result.problems == [])
  }

  @Test func `a broken manifest doesn't take its id from a good one`() throws {
    try folder.runner("1/x", id: "org.x", library: "gone.d/lib.so")
    let good = try folder.runner("2/x", id: "org.x")
    #expect(search("1", "2").run().manifests.map(\.sourcePath) == [good])
  }

  @Test func `several ids may name one library`() throws {
    try folder.write("m/lib.so", "x")
    try folder.runner("m/a", id: "org.a", library: "lib.so")
    try folder.runner("m/b", id: "org.b", library: "lib.so")
    #expect(search("m").run().manifests.count == 2)
  }

  @Test func `a disabled manifest hides later ones with its id`() throws {
    try folder.runner("1/x", id: "org.x", ["enabled": false])
    try folder.runner("2/x", id: "org.x")
    let result = search("1", "2").run()
    #expect(result.manifests == [])
    #expect(result.problems == [])
    #expect(result.skipped.map(\.reason) == [.disabled])
  }

  @Test func `another machine's runner is skipped and leaves the id free`() throws {
    try folder.runner("m/a", id: "org.x", ["library": ["path": "./missing.so", "arch": "riscv64"]])
    try folder.runner("m/b", id: "org.x")
    let result = search("m").run()
    #expect(result.manifests.map(\.id) == ["org.x"])
    #expect(result.skipped.map(\.reason) == [.arch("riscv64")])
  }

  @Test func `a library that isn't there is offered where its manifest says how to get it`() throws {
    let missing = ["path": "./missing.so", "setup": "make it"]
    try folder.runner("m/a", id: "org.a", ["library": missing])
    try folder.runner("m/b", id: "org.b", ["library": missing])
    try folder.runner("m/c", id: "org.b")
    try folder.runner("m/d", id: "org.b", ["library": missing])
    try folder.runner("m/e", id: "org.e", ["library": ["path": "./a.runner.json/lib.so", "setup": "do"]])
    let result = search("m").run()
    #expect(result.manifests.map(\.id) == ["org.b"])
    #expect(result.problems == [])
    #expect(result.skipped.map(\.id) == ["org.a", "org.e"])
    #expect(result.skipped.map { "\($0.reason)" } == ["not installed; make it", "not installed; do"])
    #expect(result.skipped.allSatisfy { $0.isOffered })
  }

  @Test func `globs filter by id or its last word and keep the rest visible`() throws {
    for id in ["org.onnxruntime", "org.echo", "org.litert"] { try folder.runner("m/\(id)", id: id) }
    var search = search("m")
    search.wanted = ["onnx*", "org.e*", "litert"]
    search.unwanted = ["lite??"]
    let result = search.run()
    #expect(result.manifests.map(\.id) == ["org.echo", "org.onnxruntime"])
    #expect(result.skipped.map(\.id) == ["org.litert"])
    #expect(result.skipped.map(\.reason) == [.filtered])
  }

  @Test func `refuses another ABI before it opens anything`() throws {
    try folder.runner("m/a", id: "org.a", ["abi": ["major": 0, "minor": 2]])
    var search = search("m")
    search.hostABI = SupportedABI(major: 0, oldestMinor: 1, tableByteCounts: [136])
    #expect(search.run().problems.map(\.message) == ["speaks ABI 0.2, host speaks 0.1"])
  }

  @Test func `expands paths of library and options`() throws {
    try folder.write("host/libX.so", "x")
    let options = ["engine": "@host/engine", "model": "@manifest/m.bin", "mail": "@else/x", "plain": "1"]
    try folder.runner(
      "real/x", id: "org.x", ["options": options, "library": ["path": "@host/../host/libX.so"]], library: "")
    try FileManager.default.createDirectory(atPath: "\(folder.path)/m", withIntermediateDirectories: true)
    #expect(symlink("../real/x.runner.json", "\(folder.path)/m/x.runner.json") == 0)
    var search = search("m")
    search.hostFolder = "\(folder.path)/host"
    let manifest = try #require(search.run().manifests.first)
    #expect(manifest.libraryPath == "\(folder.path)/host/libX.so")
    #expect(
      manifest.options == [
        "engine": "\(folder.path)/host/engine", "model": "\(folder.path)/real/m.bin", "mail": "@else/x", "plain": "1",
      ])
    #expect(manifest.sourcePath == "\(folder.path)/m/x.runner.json")
  }

  @Test func `checks the checksum where one is given`() throws {
    try folder.write("m/lib.so", "abc")
    let good = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"
    try folder.runner("m/a", id: "org.a", ["library": ["path": "./lib.so", "sha256": good]], library: "lib.so")
    let bad = String(repeating: "0", count: 64)
    try folder.runner("m/b", id: "org.b", ["library": ["path": "./lib.so", "sha256": bad]], library: "lib.so")
    let result = search("m").run()
    #expect(result.manifests.map(\.id) == ["org.a"])
    #expect(result.problems.map(\.key) == ["library.sha256"])
    #expect(result.problems.first?.message.contains(good.lowercased()) == true)
  }

  @Test(arguments: ["m", "m/a.runner.json", "l", "l/lib.so"])
  func `refuses what everybody may write, unless told otherwise`(name: String) throws {
    try folder.write("l/lib.so", "x")
    try folder.runner("m/a", id: "org.a", ["library": ["path": "../l/lib.so"]], library: "")
    #expect(chmod("\(folder.path)/\(name)", 0o777) == 0)
    var search = search("m")
    let result = search.run()
    #expect(result.manifests == [])
    #expect(result.problems.count == 1)
    #expect(result.problems.first?.message.contains("is writable by everybody (mode 0777)") == true)
    search.allowWritable = true
    let relaxed = search.run()
    #expect(relaxed.manifests.map(\.id) == ["org.a"])
    #expect(relaxed.remarks.map(\.severity) == [.warning])
  }

  @Test func `reports a path that was asked for and isn't there`() {
    let result = search("nowhere").run()
    #expect(result.problems.map(\.suggestion) == ["correct --manifests"])
  }
}

@Suite struct `Places of the search` {
  private func places(_ environment: [String: String], privileged: Bool = false) -> [String] {
    var search = ManifestSearch(hostFolder: "/h", environment: environment, isPrivileged: privileged)
    search.root = "/r"
    return search.places.map(\.path)
  }

  private let system = ["/r/etc", "/r/usr/local/share", "/r/usr/share"].map { "\($0)/stadion/runner-manifests" }

  @Test func `follow the standard folders in order`() {
    #expect(
      places(["HOME": "/home/x", "STADION_ADD_MANIFESTS": "/a:/b"]) == [
        "/a", "/b", "/home/x/.config/stadion/runner-manifests", system[0],
        "/home/x/.local/share/stadion/runner-manifests", system[1], system[2],
      ])
    #expect(
      places(["HOME": "/home/x", "XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "relative"]) == [
        "/c/stadion/runner-manifests", system[0], "/home/x/.local/share/stadion/runner-manifests", system[1], system[2],
      ])
  }

  @Test func `are only the given ones when some are given`() {
    #expect(places(["HOME": "/home/x", "STADION_MANIFESTS": "/a::/b:"]) == ["/a", "/b"])
    var search = ManifestSearch(
      hostFolder: "/h", explicitPaths: ["/x:/y", "z"], environment: ["STADION_MANIFESTS": "/a"])
    #expect(search.places.map(\.path) == ["/x", "/y", "z"])
    search.explicitPaths = []
    #expect(search.places == [])
  }

  @Test func `ignore the environment of a privileged process`() {
    #expect(places(["HOME": "/home/x", "STADION_MANIFESTS": "/a"], privileged: true) == system)
    #expect(!ProcessPrivileges.areRaised)
  }

  @Test func `never are the current directory`() {
    #expect(places(["STADION_ADD_MANIFESTS": ":"]) == system)
    let relative = ManifestSearch(hostFolder: "/h", environment: ["STADION_MANIFESTS": "here"]).run()
    #expect(relative.problems.map(\.file) == ["here"])
  }
}

@Suite struct `Trusting files` {
  private func isTrusted(owner: UInt32, group: UInt32, mode: UInt32) -> Bool {
    FileTrust.complaint(owner: owner, group: group, mode: mode, userID: 1000) == nil
  }

  @Test func `takes root's and the user's own, not others'`() {
    #expect(isTrusted(owner: 0, group: 0, mode: 0o755))
    #expect(isTrusted(owner: 1000, group: 1000, mode: 0o644))
    #expect(!isTrusted(owner: 1001, group: 1000, mode: 0o644))
  }

  @Test func `lets only root's and the user's private group write`() {
    #expect(isTrusted(owner: 1000, group: 1000, mode: 0o664))
    #expect(isTrusted(owner: 1000, group: 0, mode: 0o664))
    #expect(!isTrusted(owner: 1000, group: 100, mode: 0o664))
    #expect(!isTrusted(owner: 1000, group: 1000, mode: 0o666))
    #expect(!isTrusted(owner: 0, group: 0, mode: 0o41777))
  }
}
