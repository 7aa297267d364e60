import Inference
import Testing

@testable import Routing

@Suite struct `The routing table` {
  private func version(_ name: String, _ number: Int) -> ServedVersion {
    ServedVersion(model: name, number: number, version: String(number), instances: [], labels: [], timeoutMs: 0)
  }

  private func find(_ table: RoutingTable, _ name: String, _ number: Int? = nil) -> String {
    let bytes = Array(name.utf8)
    return bytes.withUnsafeBytes { bytes in
      do throws(HostError) {
        let found = try table.version(bytes, number.map { .number($0) } ?? .preferred)
        return "\(found.model):\(found.version)"
      } catch {
        return "\(error.code) \(error.message)"
      }
    }
  }

  @Test func `finds each of a thousand names and no other`() {
    let names = (0..<1000).map { "model-\($0)" } + ["a", "ä", "日本", String(repeating: "x", count: 255)]
    let table = RoutingTable(names.map { .init(key: $0, name: $0, versions: [version($0, 1)], reason: "") })
    for name in names { #expect(find(table, name) == "\(name):1") }
    for name in ["model-", "model-1000", "Model-1", "", "model-1\0", "\0"] {
      #expect(find(table, name) == "notFound Request for unknown model: '\(name)' is not found")
    }
    #expect(table.models(of: .standard).map(\.name) == names.sorted())
  }

  @Test func `has slots of three cache lines`() { #expect(MemoryLayout<TableSlot>.stride == 3 * 64) }

  @Test func `is the same whether built at once or change by change`() {
    let names = (0..<300).map { "model-\($0)" }
    var table = RoutingTable()
    for name in names {
      table = table.replacing(name, with: .init(key: name, name: name, versions: [version(name, 1)], reason: ""))
    }
    #expect(table.count == 300 && table.models(of: .standard).map(\.name) == names.sorted())
    for name in names where name.hasSuffix("7") { table = table.replacing(name, with: nil) }
    for name in names where name.hasSuffix("8") {
      table = table.replacing(name, with: .init(key: name, name: name, versions: [version(name, 2)], reason: ""))
    }
    for name in names {
      let missing = "notFound Request for unknown model: '\(name)' is not found"
      #expect(find(table, name) == (name.hasSuffix("7") ? missing : "\(name):\(name.hasSuffix("8") ? 2 : 1)"))
    }
    #expect(table.count == 270 && table.models(of: .standard).count == 270)
    #expect(table.replacing("none", with: nil) === table)
  }

  @Test(arguments: 1...4) func `finds what is there, however much has come and gone`(seed: UInt64) {
    var dice = Dice(state: seed)
    var table = RoutingTable()
    var known: [String: Int] = [:]
    for _ in 0..<4000 {
      let name = "model-\(dice.next() % 400)"
      let number = dice.next() % 3 == 0 ? nil : Int(dice.next() % 9)
      known[name] = number
      let model = number.map {
        RoutingTable.Model(key: name, name: name, versions: [version(name, $0)], reason: "")
      }
      table = table.replacing(name, with: model)
    }
    #expect(table.count == known.count)
    #expect(table.models(of: .standard).map(\.name) == known.keys.sorted())
    for number in 0..<400 {
      let name = "model-\(number)"
      let found = known[name].map { "\(name):\($0)" }
      #expect(find(table, name) == found ?? "notFound Request for unknown model: '\(name)' is not found")
    }
  }

  @Test func `an empty table knows nothing`() {
    #expect(find(RoutingTable(), "m") == "notFound Request for unknown model: 'm' is not found")
  }

  @Test func `gives the highest version unless one is named`() {
    let versions = [12, 3, 1].map { version("m", $0) }
    let table = RoutingTable([.init(key: "m", name: "m", versions: versions, reason: "")])
    #expect(find(table, "m") == "m:12")
    #expect(find(table, "m", 3) == "m:3")
    #expect(find(table, "m", 2) == "notFound Request for unknown model: 'm' version 2 is not found")
    #expect(find(table, "m", -1) == "notFound Request for unknown model: 'm' version -1 is not found")
  }

  @Test func `says why a known model has no version`() {
    let table = RoutingTable([.init(key: "m", name: "m", versions: [], reason: "unloaded")])
    #expect(find(table, "m") == "notFound Request for unknown model: 'm' has no available versions: unloaded")
    #expect(find(table, "m", 1) == "notFound Request for unknown model: 'm' has no available versions: unloaded")
  }

  @Test func `survives names that are not UTF-8`() {
    let table = RoutingTable([.init(key: "m", name: "m", versions: [version("m", 1)], reason: "")])
    [UInt8]([0xFF, 0xC0]).withUnsafeBytes { #expect(table.model($0)?.name == nil) }
  }
}
