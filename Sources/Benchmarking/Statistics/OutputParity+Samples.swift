extension OutputParity {
  /// One output over all samples: the worst of them, and means over all elements.
  ///
  /// - Parameter results: Of the same output, with each sample's name.
  package static func over(_ results: [(sample: String, parity: OutputParity)]) -> OutputParity? {
    guard var whole = results.first?.parity else { return nil }
    if results.count == 1 { return whole }
    whole.worst = results.max { isBetter($0.parity, $1.parity) }?.sample
    for (_, next) in results.dropFirst() { whole.add(next) }
    return whole
  }

  private static func isBetter(_ a: OutputParity, _ b: OutputParity) -> Bool {
    if (a.problem == nil) != (b.problem == nil) { return a.problem == nil }
    return (a.beyond, a.maxAbsolute) < (b.beyond, b.maxAbsolute)
  }

  private mutating func add(_ next: OutputParity) {
    func mean(_ a: Double, _ aCount: Int, _ b: Double, _ bCount: Int) -> Double {
      aCount + bCount == 0 ? 0 : (a * Double(aCount) + b * Double(bCount)) / Double(aCount + bCount)
    }
    func mean(_ a: Double?, _ b: Double?) -> Double? {
      guard let a, let b else { return a ?? b }
      return mean(a, rowCount, b, next.rowCount)
    }
    meanAbsolute = mean(meanAbsolute, elementCount, next.meanAbsolute, next.elementCount)
    meanRelative = mean(meanRelative, relativeCount, next.meanRelative, next.relativeCount)
    top1 = mean(top1, next.top1)
    top5 = mean(top5, next.top5)
    maxAbsolute = max(maxAbsolute, next.maxAbsolute)
    maxRelative = max(maxRelative, next.maxRelative)
    if let other = next.maxULP { maxULP = max(maxULP ?? 0, other) }
    if let other = next.cosine { cosine = min(cosine ?? 1, other) }
    beyond += next.beyond
    problem = problem ?? next.problem
    elementCount += next.elementCount
    relativeCount += next.relativeCount
    rowCount += next.rowCount
  }
}
