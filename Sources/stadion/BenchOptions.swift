import Benchmarking
import StadionClient
import Wire

/// The command line of `stadion bench` as values.
struct BenchOptions {
  var plan = BenchmarkPlan()
  let wishes: [RunnerWish]
  let shapes: [String: [Int64]]
  /// Of `--compare`.
  let threshold: Double
  /// Rows of a request; empty for inputs as they are.
  let batches: [Int]
  let encoding: TensorEncoding
  /// Of `--picture`: the `image` of every input's hints; nil for those of the model alone.
  let picture: JSONValue?

  init(_ arguments: Arguments) throws(UsageError) {
    wishes = try Self.wishes(arguments)
    shapes = try Self.shapes(arguments)
    threshold = try Self.number(arguments, "--threshold", 0...1000).map { $0 / 100 } ?? 0.05
    batches = try Self.integers(arguments, "--batch", 1...100_000) ?? []
    if !batches.isEmpty { plan.batches = batches }
    picture = try arguments.value("--picture").map(PictureOptions.json)
    if arguments.has("--input"), arguments.has("--inputs") {
      throw UsageError("--input and --inputs exclude each other; put all files into --inputs")
    }
    let encoding = arguments.value("--encoding").map { TensorEncoding(rawValue: $0) } ?? .binary
    guard let encoding else {
      throw UsageError("--encoding is binary or json, not \"\(arguments.value("--encoding") ?? "")\"")
    }
    self.encoding = encoding
    plan.ways = try Self.ways(arguments)
    plan.concurrencies = try Self.integers(arguments, "--concurrency", 1...10_000) ?? plan.concurrencies
    plan.rounds = try arguments.integer("--rounds", in: 1...10_000) ?? plan.rounds
    plan.starts = try arguments.integer("--starts", in: 1...1000)
    if let seconds = try Self.number(arguments, "--duration", 0.01...86_400) { plan.duration = .seconds(seconds) }
    if let seconds = try Self.number(arguments, "--warm-up", 0...3600) { plan.warmUp = .seconds(seconds) }
    if let percent = try Self.number(arguments, "--stability", 0...100) { plan.stability = percent / 100 }
    if let percent = try Self.number(arguments, "--least-effect", 0...100) { plan.leastEffect = percent / 100 }
    plan.rates = try Self.numbers(arguments, "--rate", 0.01...10_000_000) ?? []
    if let word = arguments.value("--arrivals") {
      guard let arrivals = Arrivals(rawValue: word) else {
        throw UsageError("--arrivals is poisson or constant, not \"\(word)\"")
      }
      plan.arrivals = arrivals
    }
    plan.openConnections = try arguments.integer("--connections", in: 1...10_000) ?? plan.openConnections
    plan.limit = try arguments.value("--find-rate").map(Self.limit)
    if let value = try Self.number(arguments, "--relative-tolerance", 0...1e6) { plan.tolerance.relative = value }
    if let value = try Self.number(arguments, "--absolute-tolerance", 0...1e9) { plan.tolerance.absolute = value }
    if let value = try arguments.integer("--seed", in: 0...Int.max) { plan.seed = UInt64(value) }
    if let value = try arguments.integer("--timeout-ms", in: 1...86_400_000) { plan.timeout = .milliseconds(value) }
  }

  private static func wishes(_ arguments: Arguments) throws(UsageError) -> [RunnerWish] {
    var wishes: [RunnerWish] = []
    for text in arguments.values("--runner") {
      guard let wish = RunnerWish(text) else {
        throw UsageError("--runner wants ID or ID,KEY=VALUE, not \"\(text)\"")
      }
      wishes.append(wish)
    }
    for text in arguments.values("--sweep") {
      guard !wishes.isEmpty else { throw UsageError("--sweep needs --runner: whose option is it?") }
      var swept: [RunnerWish] = []
      for wish in wishes {
        guard let all = wish.swept(text) else {
          throw UsageError(
            "--sweep wants KEY=VALUE,VALUE,… with a KEY that neither --runner nor another --sweep names, not \"\(text)\""
          )
        }
        swept += all
      }
      wishes = swept
    }
    return wishes
  }

  private static func ways(_ arguments: Arguments) throws(UsageError) -> [Way] {
    guard let text = arguments.value("--ways") else { return [] }
    let others = Way.allCases.filter { $0 != .host }
    if text == "all" { return others }
    var ways: [Way] = []
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let way = others.first(where: { $0.rawValue == word }), !ways.contains(way) else {
        let known = others.map(\.rawValue).joined(separator: ", ")
        throw UsageError("--ways wants all, or some of \(known), each once, not \"\(text)\"")
      }
      ways.append(way)
    }
    return ways
  }

  private static func shapes(_ arguments: Arguments) throws(UsageError) -> [String: [Int64]] {
    var shapes: [String: [Int64]] = [:]
    for text in arguments.values("--shape") {
      guard let equals = text.lastIndex(of: "=") else { throw UsageError("--shape wants NAME=N,N,…, not \"\(text)\"") }
      let sizes = text[text.index(after: equals)...].split(separator: ",").map { Int64($0) }
      guard !sizes.contains(where: { $0 == nil || $0! < 0 }) else {
        throw UsageError("--shape wants sizes from 0 on, not \"\(text)\"")
      }
      shapes[String(text[..<equals])] = sizes.compactMap { $0 }
    }
    return shapes
  }

  private static func number(
    _ arguments: Arguments, _ name: String, _ range: ClosedRange<Double>
  ) throws(UsageError) -> Double? {
    guard let text = arguments.value(name) else { return nil }
    return try number(text, name, range)
  }

  private static func number(
    _ text: String, _ name: String, _ range: ClosedRange<Double>
  ) throws(UsageError) -> Double {
    guard let value = Double(text), range.contains(value) else {
      throw UsageError("\(name) wants a number from \(range.lowerBound) to \(range.upperBound), not \"\(text)\"")
    }
    return value
  }

  private static func numbers(
    _ arguments: Arguments, _ name: String, _ range: ClosedRange<Double>
  ) throws(UsageError) -> [Double]? {
    guard let text = arguments.value(name) else { return nil }
    var numbers: [Double] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      numbers.append(try number(String(part), name, range))
    }
    return numbers
  }

  private static func integers(
    _ arguments: Arguments, _ name: String, _ range: ClosedRange<Double>
  ) throws(UsageError) -> [Int]? {
    guard let numbers = try numbers(arguments, name, range) else { return nil }
    guard numbers.allSatisfy({ $0 == $0.rounded() }) else { throw UsageError("\(name) wants whole numbers") }
    let all = numbers.map { Int($0) }
    guard Set(all).count == all.count else { throw UsageError("\(name) names a number twice") }
    return all
  }

  /// `p99=5ms`.
  private static func limit(_ text: String) throws(UsageError) -> (share: Double, ns: Double) {
    let problem = UsageError("--find-rate wants pN=TIME, as p99=5ms or p99.9=800us, not \"\(text)\"")
    guard text.hasPrefix("p"), let equals = text.firstIndex(of: "=") else { throw problem }
    let units: [(String, Double)] = [("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)]
    let time = text[text.index(after: equals)...]
    guard let percent = Double(text[text.index(after: text.startIndex)..<equals]), percent > 0, percent < 100,
      let unit = units.first(where: { time.hasSuffix($0.0) }), let value = Double(time.dropLast(unit.0.count)),
      value > 0
    else { throw problem }
    return (percent / 100, value * unit.1)
  }
}
