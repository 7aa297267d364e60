import Foundation
import Inference
import Testing

@testable import Manifests

private let complete = """
  {
    "manifestVersion": "1.0",
    "id": "org.example.onnxruntime",
    "title": "ONNX Runtime on CPU",
    "version": "0.1.0",
    "abi": { "major": 0, "minor": 1 },
    "library": { "path": "@host/libX.so", "arch": "x86_64", "sha256": null, "setup": "make x" },
    "devices": [{ "kind": "cpu", "ordinal": 0, "maxConcurrentRuns": 4 }],
    "models": {
      "formats": ["onnx"],
      "elementTypes": ["f32", "utf8"],
      "dynamicShapes": true,
      "streams": false,
      "batching": true,
      "cancel": "between-steps"
    },
    "limits": {
      "models": 8, "memoryBytes": 2147483648, "loadTimeoutMs": 30000, "cpuPercent": 150, "killAfterMs": 2000
    },
    "access": { "read": ["/opt/engine"], "write": ["@manifest/cache"], "devices": ["/dev/dri"] },
    "isolation": "host",
    "priority": 100,
    "options": { "intra_op_threads": "4" },
    "enabled": true,
    "annotations": { "org.example.maintainer": "someone@example.org" }
  }
  """

private func read(_ text: String) -> ManifestReading { ManifestReader(file: "f", text: Array(text.utf8)).read() }

@Suite struct `Reading a manifest` {
  @Test func `takes every field`() throws {
    let reading = read(complete)
    #expect(reading.problems == [])
    #expect(reading.notes == [])
    #expect(reading.arch == "x86_64" && reading.setup == "make x")
    let manifest = try #require(reading.manifest)
    #expect(manifest.id == "org.example.onnxruntime")
    #expect(manifest.title == "ONNX Runtime on CPU")
    #expect(manifest.abi == .init(major: 0, minor: 1))
    #expect(manifest.devices == [.init(kind: .cpu, ordinal: 0, maxConcurrentRuns: 4)])
    #expect(
      manifest.models
        == .init(
          formats: ["onnx"], elementTypes: [.f32, .utf8], dynamicShapes: true, batching: true, cancel: .betweenSteps))
    #expect(
      manifest.limits
        == .init(
          models: 8, memoryBytes: 2_147_483_648, loadTimeoutMs: 30000, cpuPercent: 150, killAfterMs: 2000))
    #expect(manifest.access.read == ["/opt/engine"] && manifest.access.devices == ["/dev/dri"])
    #expect(manifest.access.write == ["@manifest/cache"])
    #expect(manifest.isolation == .host)
    #expect(manifest.priority == 100)
    #expect(manifest.options == ["intra_op_threads": "4"])
    #expect(manifest.annotations == ["org.example.maintainer": "someone@example.org"])
  }

  @Test(arguments: [
    (
      #""cpu", "ordinal": 0, "maxConcurrentRuns": 4"#, #""cpu", "maxConcurrentRuns": 0"#, "devices[0].maxConcurrentRuns"
    ),
    (#""maxConcurrentRuns": 4"#, #""maxConcurrentRuns": 4097"#, "devices[0].maxConcurrentRuns"),
    (#""models": 8"#, #""models": -8"#, "limits.models"),
    (#""memoryBytes": 2147483648"#, #""memoryBytes": 99999999999999999999"#, "limits.memoryBytes"),
    (#""priority": 100"#, #""priority": 1.5"#, "priority"),
    (#""priority": 100"#, #""priority": "100""#, "priority"),
    (#"org.example.onnxruntime"#, #"Org.Example"#, "id"),
    (#"org.example.onnxruntime"#, #"onnxruntime"#, "id"),
    (#"org.example.onnxruntime"#, #"org..x"#, "id"),
    (#""0.1.0""#, #""0.1.0-beta""#, "version"),
    (#""1.0""#, #""2.0""#, "manifestVersion"),
    (#"@host/libX.so"#, #"libX.so"#, "library.path"),
    (#""sha256": null"#, #""sha256": "abc""#, "library.sha256"),
    (#"["onnx"]"#, #"["ONNX"]"#, "models.formats[0]"),
    (#"["onnx"]"#, #"[]"#, "models.formats"),
    (#""utf8"]"#, #""float"]"#, "models.elementTypes[1]"),
    (#""between-steps""#, #""sometimes""#, "models.cancel"),
    (#""dynamicShapes": true"#, #""dynamicShapes": 1"#, "models.dynamicShapes"),
    (#""isolation": "host""#, #""isolation": "container""#, "isolation"),
    (#""intra_op_threads": "4""#, #""intra_op_threads": 4"#, "options.intra_op_threads"),
    (#"{ "major": 0, "minor": 1 }"#, #"{ "major": 0 }"#, "abi.minor"),
    (#"{ "major": 0, "minor": 1 }"#, #"[0, 1]"#, "abi"),
  ])
  func `names the key of what is wrong`(old: String, new: String, key: String) {
    #expect(complete.contains(old))
    let reading = read(complete.replacing(old, with: new))
    #expect(reading.problems.map(\.key) == [key])
    #expect(reading.manifest == nil)
  }

  @Test func `gives the line of a wrong member and of broken JSON`() {
    let wrong = read(complete.replacing(#""cancel": "between-steps""#, with: #""cancel": "interupt""#))
    #expect(wrong.problems.map(\.line) == [15])
    #expect(wrong.problems.first?.suggestion == "is \"interrupt\" meant?")
    let broken = read(complete.replacing(#""priority": 100,"#, with: #""priority": 100"#))
    #expect(broken.problems.map(\.description) == ["f:23: a comma is missing"])
  }

  @Test func `names everything that is missing at once`() {
    #expect(
      read("{}").problems.map(\.key) == ["manifestVersion", "id", "version", "abi", "library", "devices", "models"])
  }

  @Test(arguments: ["", "[]", "1", "{", "{\"id\": \"a\", \"id\": \"b\"}", "\u{0}", String(repeating: "[", count: 5000)])
  func `refuses what is no object`(text: String) { #expect(read(text).problems.count == 1) }

  @Test func `notes unknown keys with a guess and reads on`() {
    let reading = read(complete.replacing("\"priority\"", with: "\"priorty\""))
    #expect(reading.manifest?.priority == 0)
    #expect(reading.notes.map(\.key) == ["priorty"])
    #expect(reading.notes.first?.severity == .note)
    #expect(reading.notes.first?.suggestion == "is \"priority\" meant?")
  }

  @Test func `skips a malformed device kind and keeps the rest`() {
    let reading = read(complete.replacing("\"devices\": [{", with: #""devices": [{ "kind": "G P U" }, {"#))
    #expect(reading.manifest?.devices.map(\.kind) == [.cpu])
    #expect(reading.notes.map(\.key) == ["devices[0].kind"])
    let none = read(complete.replacing(#""kind": "cpu""#, with: #""kind": "CPU""#))
    #expect(none.problems.map(\.key) == ["devices"])
  }

  @Test func `takes device kinds that nobody foresaw`() {
    let reading = read(complete.replacing(#""kind": "cpu""#, with: #""kind": "photonic-2""#))
    #expect(reading.manifest?.devices.map(\.kind.name) == ["photonic-2"])
  }

  @Test func `guesses element types written as the protocol does`() {
    let reading = read(complete.replacing("\"f32\"", with: "\"FP32\""))
    #expect(reading.problems.first?.suggestion == "is \"f32\" meant?")
  }

  @Test func `survives every cut and every flipped byte`() {
    let bytes = Array(complete.utf8)
    for index in bytes.indices {
      let cut = ManifestReader(file: "f", text: Array(bytes[..<index])).read()
      #expect(cut.manifest == nil)
      var flipped = bytes
      flipped[index] ^= 0x15
      _ = ManifestReader(file: "f", text: flipped).read()
    }
  }

  @Test func `knows the keys of the schema and no others`() throws {
    let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("runner-manifests/runner-manifest.schema.json")
    let schema = try JSONSerialization.jsonObject(with: Data(contentsOf: source))
    var keys: Set<String> = []
    func collect(_ schema: Any, at path: String) {
      guard let schema = schema as? [String: Any] else { return }
      for (key, value) in schema["properties"] as? [String: Any] ?? [:] {
        keys.insert(path + key)
        collect(value, at: "\(path)\(key).")
      }
      if let items = schema["items"] { collect(items, at: "\(path.dropLast())[].") }
    }
    collect(schema, at: "")
    #expect(Set(read(complete).knownPaths.map { $0.replacing("[0]", with: "[]") }) == keys)
  }
}

@Suite struct `A host of ABI 2 dot 1 to 2 dot 3` {
  private let host = SupportedABI(major: 2, oldestMinor: 1, tableByteCounts: [136, 136, 144])

  @Test(arguments: [(1, 136), (2, 136), (3, 144)])
  func `opens its own and older minors, each with the table it had`(minor: Int, byteCount: Int) {
    #expect(host.tableByteCount(of: ABIVersion(major: 2, minor: minor)) == byteCount)
  }

  @Test(arguments: [(2, 0), (2, 4), (1, 2), (3, 2), (0, 0)])
  func `opens nothing else`(major: Int, minor: Int) {
    #expect(!host.opens(ABIVersion(major: major, minor: minor)))
  }

  @Test func `says so`() {
    #expect("\(host)" == "2.1 to 2.3")
    #expect("\(SupportedABI(major: 0, oldestMinor: 1, tableByteCounts: [136]))" == "0.1")
  }
}
