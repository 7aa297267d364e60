import Glibc

/// Makes of the rounds' values those that an interval may rest on, as logarithms: one a start of the runners where there
/// were enough starts, else one a round.
///
/// Two starts of the same runner can differ by ten percent for as long as they live, by where their memory and their
/// threads came to lie. Rounds of one start share that, and would take it for a difference of the runners.
enum Rounds {
  /// - Parameter starts: The start that each round belongs to.
  static func logRatios(_ subject: [Double], to reference: [Double], starts: [Int]) -> [Double] {
    compared(subject, reference, starts) { log($0) - log($1) }
  }

  /// As they are, of values whose difference means something by itself.
  static func differences(_ a: [Double], _ b: [Double], starts: [Int]) -> [Double] {
    compared(a, b, starts) { $0 - $1 }
  }

  private static func compared(
    _ a: [Double], _ b: [Double], _ starts: [Int], _ compare: (Double, Double) -> Double
  ) -> [Double] {
    // A round of an open loop may have had no arrival; it compares nothing.
    let rounds = zip(zip(a, b), starts).filter { $0.0.0 > 0 && $0.0.1 > 0 }
      .map { (value: compare($0.0.0, $0.0.1), start: $0.1) }
    let groups = Dictionary(grouping: rounds, by: \.start).sorted { $0.key < $1.key }
    guard groups.count >= Bootstrap.fewestValues else { return rounds.map(\.value) }
    return groups.map { trimmedMean($0.value.map(\.value)) }
  }

  /// Of one side alone.
  static func logs(_ values: [Double], starts: [Int]) -> [Double] {
    logRatios(values, to: [Double](repeating: 1, count: values.count), starts: starts)
  }

  /// Without a fifth of the values at each end: what something else disturbed counts for nothing.
  static func trimmedMean(_ values: [Double]) -> Double {
    let kept = values.sorted()[(values.count / 5)..<(values.count - values.count / 5)]
    return kept.reduce(0, +) / Double(kept.count)
  }
}
