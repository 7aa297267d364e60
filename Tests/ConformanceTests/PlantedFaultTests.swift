import Conformance
import Foundation
import Testing

/// No rule without a fault that breaks it, no fault that nobody looks for.
@Suite struct `Planted faults` {
  /// What `pattern` captures in the files of `folder` whose names begin with `prefix`.
  private func words(_ pattern: Regex<(Substring, Substring)>, _ folder: String, _ prefix: String) throws -> Set<String>
  {
    let files = try FileManager.default.contentsOfDirectory(atPath: "\(RunnerCheck.root)/\(folder)")
    let texts = try files.filter { $0.hasPrefix(prefix) && !$0.hasSuffix(".md") }.map {
      try String(contentsOfFile: "\(RunnerCheck.root)/\(folder)/\($0)", encoding: .utf8)
    }
    return Set(texts.joined().matches(of: pattern).map { String($0.1) })
  }

  @Test func `break every rule of the kit`() throws {
    let ids = Set(Rule.all.map(\.id))
    #expect(ids.count == Rule.all.count, "two rules have one id")
    #expect(try words(/Rule\(\s*"([A-Z0-9-]+)"/, "Sources/Conformance", "Rule") == ids, "Rule.all has not all of them")
    #expect(ids.subtracting(PlantedFault.all.map(\.id)).sorted() == [], "without a planted fault")
  }

  @Test func `are all that the fixtures can do`() throws {
    let tested = Set(PlantedFault.all.map { String($0.fault.prefix { $0 != " " }) }).union(PlantedFault.excused.keys)
    let faulty =
      try words(/\bis\("(\w+)"\)/, "Tests/Fixtures/FaultyRunner", "Faulty")
      .union(try words(/faulty_(?:library_)?is\((?:model, )?"(\w+)"\)/, "Tests/Fixtures/FaultyRunner", "Faulty"))
    let rude = try words(/strcmp\((?:model->)?fault, "(\w+)"\)/, "Tests/ConformanceTests/Fixtures", "rude")
    #expect(faulty.count > 60 && rude.count > 12)
    #expect(faulty.union(rude).subtracting(tested).sorted() == [], "in a fixture, and no test looks for it")
  }
}
