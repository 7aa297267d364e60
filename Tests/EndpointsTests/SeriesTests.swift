import Inference
import Telemetry
import Testing
import Wire

@Suite struct `Sets of histograms` {
  private static func labels(_ model: String, tenant: String? = nil) -> SeriesLabels {
    SeriesLabels(model: model, version: "1", runner: "r", device: "cpu", tenant: tenant)
  }

  private static func models(_ reading: SeriesReading) -> [String] {
    (0..<reading.placeCount).compactMap { reading.cells(at: $0) }.map { String(decoding: $0.labels, as: UTF8.self) }
      .map { String($0.dropFirst("model=\"".count).prefix { $0 != "\"" }) }
  }

  /// What Prometheus' format wants, line by line.
  private static func expected(_ name: String, _ labels: String, _ values: [UInt64], _ bounds: [UInt64]) -> String {
    var text = ""
    for (index, bound) in TimeScale.coarse.enumerated() where bounds.contains(bound) {
      text += "\(name)_bucket{\(labels),le=\"\(TimeScale.coarseLabels[index])\"} \(values.count { $0 <= bound })\n"
    }
    let sum = values.reduce(0, +)
    var fraction = String(String(1_000_000_000 + sum % 1_000_000_000).dropFirst())
    while fraction.hasSuffix("0") { fraction.removeLast() }
    let seconds = fraction.isEmpty ? "\(sum / 1_000_000_000)" : "\(sum / 1_000_000_000).\(fraction)"
    return text + "\(name)_bucket{\(labels),le=\"+Inf\"} \(values.count)\n\(name)_sum{\(labels)} \(seconds)\n"
      + "\(name)_count{\(labels)} \(values.count)\n"
  }

  @Test(arguments: ["m", String(repeating: "long", count: 60)], [0, 1, 3, 1000])
  func `are written as their values are`(model: String, count: Int) {
    let book = SeriesBook(limit: 10, tenantLimit: 10)
    let statistics = ModelStatistics()
    let times = statistics.series.times(Self.labels(model, tenant: "acme"), in: book)
    let seed = UInt64.random(in: 1...UInt64.max)
    var state = seed
    func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      // Up to 2^37 ns, 137 s; bounds themselves now and then.
      return state >> 60 == 0 ? TimeScale.coarse[Int(state >> 32) % 14] : (state >> 27) >> (state >> 33 & 31)
    }
    var values: [ServiceTimes.Stage: [UInt64]] = [:]
    for _ in 0..<count {
      for stage in ServiceTimes.Stage.allCases { values[stage, default: []].append(next()) }
      func last(_ stage: ServiceTimes.Stage) -> UInt64 { values[stage]!.last! }
      times.add(
        ModelStatistics.Answer(
          startNs: 5, inputNs: last(.computeInput), queueNs: last(.queue), runNs: last(.run),
          outputNs: last(.computeOutput), endNs: 5 + last(.request)))
    }
    let text = MetricsText(.prometheus)
    let labels = "model=\"\(model)\",version=\"1\",tenant=\"acme\",runner=\"r\",device=\"cpu\""
    let family = MetricsText.Family("a_seconds", .histogram, "Help.")
    let decades = TimeScale.coarse.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
    let bounds: [ServiceTimes.Stage: [UInt64]] = [
      .request: TimeScale.coarse, .queue: decades, .run: TimeScale.coarse,
      .computeInput: [10_000, 100_000, 1_000_000, 10_000_000],
      .computeOutput: [10_000, 100_000, 1_000_000, 10_000_000],
    ]
    for stage in ServiceTimes.Stage.allCases {
      // A buffer that is full but for a few bytes.
      let out = ByteBuffer(capacity: 64)
      text.histogram(family, times.cells, stage, out)
      let expected = Self.expected("a_seconds", labels, values[stage] ?? [], bounds[stage]!)
      #expect(out.string == expected, "seed \(seed), \(stage)")
    }
  }

  @Test func `tell how many rows runs have had`() {
    let statistics = ModelStatistics()
    let labels = SeriesLabels(model: "m", version: "1", runner: "r", device: "cpu", takesRows: true)
    let times = statistics.series.times(labels, in: SeriesBook(limit: 10, tenantLimit: 10))
    // Bounds, and what is beside them.
    let rows: [UInt64] = [0, 1, 1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33, 64, 65, 1000]
    for rows in rows { times.add(Self.answer(rows: rows)) }
    let out = ByteBuffer(capacity: 64)
    MetricsText(.prometheus).rows(.init("rows", .histogram, "Help."), times.cells, out)
    let text = #"model="m",version="1",runner="r",device="cpu""#
    var expected = ""
    for bound: UInt64 in [1, 2, 4, 8, 16, 32, 64] {
      expected += "rows_bucket{\(text),le=\"\(bound).0\"} \(rows.count { $0 <= bound })\n"
    }
    expected += "rows_bucket{\(text),le=\"+Inf\"} 16\nrows_sum{\(text)} \(rows.reduce(0, +))\nrows_count{\(text)} 16\n"
    #expect(out.string == expected)
  }

  private static func answer(rows: UInt64) -> ModelStatistics.Answer {
    ModelStatistics.Answer(startNs: 0, inputNs: 1, queueNs: 2, runNs: 3, outputNs: 4, endNs: 10, rows: rows)
  }

  @Test func `tell so many numbers of rows apart, whatever callers send, and sum all`() async {
    let statistics = ModelStatistics()
    // All tasks add the same numbers, each in another order, so that places are claimed by several at once.
    await withTaskGroup { group in
      for task in 0..<4 {
        group.addTask {
          for index in 0..<1000 { statistics.add(Self.answer(rows: UInt64((index + task * 250) % 100))) }
        }
      }
    }
    let runs = statistics.runs
    #expect(runs.byRows.count == 65 && runs.byRows.allSatisfy { $0.rows < 100 && $0.sums.count == 40 })
    #expect(Set(runs.byRows.map(\.rows)).count == 65)
    #expect(runs.all.count == 4000 && runs.all.input.nanoseconds == 4000 && runs.all.output.nanoseconds == 16_000)
    #expect(runs.rowCount == 40 * 4950)
  }

  @Test func `give their place to others when nobody reads them any more`() {
    let book = SeriesBook(limit: 10, tenantLimit: 10)
    var first: ModelStatistics? = ModelStatistics()
    _ = first?.series.times(Self.labels("a"), in: book)
    var reading: SeriesReading? = book.read(of: nil)
    first = nil
    let second = ModelStatistics()
    _ = second.series.times(Self.labels("b"), in: book)
    #expect(reading.map { Self.models($0) } == ["a"])
    #expect(Self.models(book.read(of: nil)) == ["b"])
    #expect(book.count == 1)
    reading = nil
    let third = ModelStatistics()
    let times = third.series.times(Self.labels("c"), in: book)
    #expect(times.requestCounts.reduce(0, +) == 0)
    let last = book.read(of: nil)
    // The first place is that of what exceeds the limit.
    #expect(last.placeCount == 3 && Self.models(last) == ["c", "b"])
  }

  @Test func `are told apart for so many tenants`() {
    let book = SeriesBook(limit: 10, tenantLimit: 1)
    let statistics = ModelStatistics()
    func isKept(_ tenant: String?, _ model: String) -> Bool {
      !statistics.series.times(Self.labels(model, tenant: tenant), in: book).isOthers
    }
    #expect(isKept(nil, "a") && isKept("x", "b") && isKept("x", "c") && !isKept("y", "d") && isKept(nil, "e"))
    #expect(book.refusedCount == 1)
    #expect(Self.models(book.read(of: TenantID("x"))) == ["b", "c"])
    #expect(Self.models(book.read(of: .standard)) == ["a", "e"])
    #expect(Self.models(book.read(of: TenantID("y"))) == [])
  }
}
