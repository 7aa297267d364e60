import Glibc

/// The values of two runners that may be compared: one a start where there were enough starts, else one a round.
///
/// Two starts of the same runner can differ by ten percent for as long as they live, by where their memory and their
/// threads came to lie. Rounds of one start share that, and would take it for a difference of the runners.
struct Rounds {
  private(set) var subject: [Double] = []
  private(set) var reference: [Double] = []

  /// - Parameter starts: The start that each round belongs to.
  init(_ subject: [Double], beside reference: [Double], starts: [Int]) {
    // A round of an open loop may have had no arrival; it compares nothing.
    let pairs = zip(zip(subject, reference), starts).filter { $0.0.0 > 0 && $0.0.1 > 0 }
    let groups = Dictionary(grouping: pairs, by: \.1).sorted { $0.key < $1.key }
    guard groups.count >= Bootstrap.fewestRounds else {
      (self.subject, self.reference) = (pairs.map(\.0.0), pairs.map(\.0.1))
      return
    }
    for (_, pairs) in groups {
      // Of the ratios, not the ratio of medians: a round's disturbance hits both sides of it.
      let ratio = median(pairs.map { log($0.0.0) - log($0.0.1) })
      self.reference.append(median(pairs.map(\.0.1)))
      self.subject.append(exp(ratio) * (self.reference.last ?? 1))
    }
  }

  /// One side alone.
  static func values(_ values: [Double], starts: [Int]) -> [Double] {
    Rounds(values, beside: [Double](repeating: 1, count: values.count), starts: starts).subject
  }
}
