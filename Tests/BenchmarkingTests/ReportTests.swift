import Inference
import Testing
import Wire

@testable import Benchmarking

@Suite struct `Reports of a benchmark` {
  /// Two runners with 20 rounds each; the second one takes `factor` of the first one's time.
  private func result(factor: Double = 1.3, name: String = "fast") -> BenchmarkResult {
    var result = BenchmarkResult(
      model: "m", inputs: [TensorSpec(name: "x", elementType: .f32, shape: [1, 4])], inputSeed: 5,
      plan: BenchmarkPlan(),
      noise: MachineNoise(lostShare: 0.001, longestNs: 40_000, interruptions: 10, load: 0.2, processors: 2))
    for (index, scale) in [1, factor].enumerated() {
      var subject = SubjectResult(name: index == 0 ? "base" : name)
      var load = LoadResult(load: .closed(1))
      for round in 0..<20 {
        var window = Window()
        for request in 0..<100 { window.latencies.add(UInt64(Double(50_000 + request * 100 + round * 37) * scale)) }
        window.answered = 100
        (window.beginNs, window.lastNs, window.inTime) = (0, UInt64(5_000_000 * scale), 100)
        load.add(window, start: round / 2)
      }
      subject.loads = [load]
      subject.peakBytes = 50 << 20
      if index > 0 { subject.parity = [OutputParity(name: "y")] }
      result.subjects.append(subject)
    }
    result.compare()
    return result
  }

  @Test func `say which runner is faster, and by how much`() throws {
    let comparison = try #require(result().comparisons.first)
    let text = Sentences.verdict(comparison, leastEffect: 0.02)
    #expect(text == "fast is 1.30 × slower than base (median, 1 connection)")
  }

  @Test func `put what is wrong first`() {
    var result = result()
    result.subjects[1].parity[0].beyond = 3
    result.subjects[1].parity[0].elementCount = 4
    #expect(TextReport.make(result).hasPrefix("!! MISMATCH: fast, output y: 3 of 4 elements"))
    #expect(MarkdownReport.make(result).contains("**MISMATCH: fast, output y"))
    #expect(HTMLReport.make(result).contains("<ul class=\"bad\"><li>MISMATCH"))
  }

  @Test func `show no percentile that less than one request stands for`() {
    let row = Rows.loads(result())[0]
    #expect(row[Rows.loadHeadings().firstIndex(of: "P99.9")!] != "-")
    var few = result()
    few.subjects[0].loads[0].latencies = Histogram()
    for value in 0..<50 { few.subjects[0].loads[0].latencies.add(UInt64(value)) }
    #expect(Rows.loads(few)[0][Rows.loadHeadings().firstIndex(of: "P99")!] == "-")
  }

  @Test func `let no name become markup`() {
    let name = "<script>alert(1)</script>|`x`\n\u{1B}[31m"
    let html = HTMLReport.make(result(name: name))
    #expect(!html.contains("<script") && !html.contains("\u{1B}"))
    let markdown = MarkdownReport.make(result(name: name))
    #expect(markdown.contains(#"\<script\>alert(1)\</script\>\|\`x\`"#) && !markdown.contains("\u{1B}"))
    #expect(!TextReport.make(result(name: name)).contains("\u{1B}"))
  }

  @Test func `need nothing from a network`() {
    let html = HTMLReport.make(result())
    for word in ["http:", "https:", "url(", "<script", "<link", "@import", "src="] {
      #expect(!html.contains(word), "\(word)")
    }
    #expect(html.contains("prefers-color-scheme:dark"))
  }

  @Test func `tell what each way adds to the call in process`() throws {
    var result = result()
    var plan = BenchmarkPlan()
    plan.ways = [.inProcess, .tcp]
    result = BenchmarkResult(
      model: "m", inputs: [], inputSeed: 5, plan: plan, noise: result.noise)
    var subject = SubjectResult(name: "a")
    for (way, ns) in [(Way.inProcess, 1000.0), (.host, 9000), (.tcp, 21_000)] {
      var load = LoadResult(load: .closed(1, way: way))
      for round in 0..<20 {
        var window = Window()
        // Drift hits all ways alike: it makes the call ten times slower and what is added no larger.
        for _ in 0..<200 { window.latencies.add(UInt64(ns + Double(round) * 500)) }
        load.add(window, start: 0)
      }
      subject.loads.append(load)
    }
    result.subjects = [subject]
    let costs = WayCost.all(result)
    #expect(costs.map(\.load.way) == [.inProcess, .host, .tcp] && costs[0].addedNs == nil)
    let added = try #require(costs[1].addedNs)
    #expect(abs(added.estimate - 8000) < 40 && added.low <= 8000 && added.high >= 7990, "\(added)")
    #expect(Rows.ways(costs)[2][1] == "host, TCP" && Rows.ways(costs)[2][4].hasPrefix("20.0 µs ("))
    for text in [TextReport.make(result), MarkdownReport.make(result), HTMLReport.make(result)] {
      #expect(text.contains("host, Unix socket"))
    }
    #expect(JSONReport.make(result)["ways"]?.array?.count == 3)
  }

  @Test func `are found slower by a later comparison`() throws {
    let before = try JSONValue(parsing: JSONReport.make(result(factor: 1)).text)
    #expect(before["schema"] == "stadion-bench/1")
    let baseline = try Baseline(before, name: "base.json")
    let changes = baseline.changes(to: result(factor: 1.3), leastEffect: 0.05)
    #expect(changes.map(\.subject) == ["base", "fast"])
    #expect(changes[0].verdict == .equal)
    #expect(Sentences.change(changes[1]).hasPrefix("fast became 1.2"), "\(Sentences.change(changes[1]))")
  }

  @Test func `compare batches and ways with their own kind alone`() throws {
    func measured(_ loads: [LoadResult.Load: Double]) -> BenchmarkResult {
      var result = result()
      result.subjects = [SubjectResult(name: "a")]
      for (load, ns) in loads.sorted(by: { $0.key.label < $1.key.label }) {
        var entry = LoadResult(load: load)
        for round in 0..<20 {
          var window = Window()
          window.latencies.add(UInt64(ns) + UInt64(round))
          entry.add(window, start: round)
        }
        result.subjects[0].loads.append(entry)
      }
      return result
    }
    let before = measured([.closed(1): 1000, .closed(1, batch: 4): 2000, .closed(1, way: .inProcess): 100])
    let baseline = try Baseline(try JSONValue(parsing: JSONReport.make(before).text), name: "base.json")
    let now = measured([.closed(1): 1000, .closed(1, batch: 4): 4000, .closed(1, way: .json): 9000])
    let changes = baseline.changes(to: now, leastEffect: 0.05)
    #expect(changes.map(\.load) == [.closed(1), .closed(1, batch: 4)])
    #expect(changes[0].verdict == .equal && changes[1].verdict.word == "slower")
  }

  @Test func `are refused as a baseline when they are something else`() throws {
    for text in ["{}", #"{"schema": "stadion-bench/99"}"#, "[]"] {
      let json = try JSONValue(parsing: text)
      #expect(throws: HostError.self) { try Baseline(json, name: "x") }
    }
  }

  @Test(arguments: [
    (0, "0"), (1.239, "1.24"), (0.03124, "0.0312"), (48_231, "48,200"), (123.4, "123"), (999.6, "1000"),
    (0.00001234, "1.2e-5"), (-2.5, "-2.50"), (1_234_567, "1,230,000"), (1e300, "∞"), (.nan, "-"),
  ])
  func `round numbers to three digits`(value: Double, text: String) { #expect(Format.number(value) == text) }
}
