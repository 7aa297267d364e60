/// How often each duration occurred: fixed memory, every value kept to three significant digits.
///
/// Nanoseconds below 2048 have a slot each; from there on every doubling has 1024 slots, up to 2^40 ns (18 minutes),
/// where longer ones are counted too.
package struct Histogram: Sendable, Equatable {
  private static let half = 1024
  private static let bits = 40
  private static let longest: UInt64 = 1 << 40 - 1
  static let slotCount = 2 * half + (bits - 11) * half

  private var slots: [UInt64]
  package private(set) var count: UInt64 = 0
  package private(set) var minimum = UInt64.max
  package private(set) var maximum: UInt64 = 0

  package init() { slots = [UInt64](repeating: 0, count: Self.slotCount) }

  /// From `counted` of another process.
  ///
  /// - Returns: Nil for what no histogram says of itself.
  init?(_ counted: [(slot: Int, count: Int)], minimum: UInt64, maximum: UInt64) {
    self.init()
    for (slot, count) in counted {
      guard slots.indices.contains(slot), count > 0 else { return nil }
      slots[slot] += UInt64(count)
      self.count += UInt64(count)
    }
    if count > 0 { (self.minimum, self.maximum) = (minimum, maximum) }
  }

  /// The slots that hold something.
  var counted: [(slot: Int, count: Int)] {
    slots.indices.filter { slots[$0] > 0 }.map { ($0, Int(clamping: slots[$0])) }
  }

  @inline(__always)
  package mutating func add(_ nanoseconds: UInt64) {
    slots[Self.slot(of: nanoseconds)] &+= 1
    count &+= 1
    if nanoseconds < minimum { minimum = nanoseconds }
    if nanoseconds > maximum { maximum = nanoseconds }
  }

  package mutating func add(_ other: Histogram) {
    for index in slots.indices { slots[index] += other.slots[index] }
    count += other.count
    minimum = min(minimum, other.minimum)
    maximum = max(maximum, other.maximum)
  }

  package mutating func removeAll() {
    for index in slots.indices { slots[index] = 0 }
    count = 0
    minimum = .max
    maximum = 0
  }

  /// The smallest duration that `share` (0...1) of all don't exceed, in nanoseconds; 0 when there are none.
  package func quantile(_ share: Double) -> Double {
    guard count > 0 else { return 0 }
    let rank = min(max(UInt64((share * Double(count)).rounded(.up)), 1), count)
    if rank == count { return Double(maximum) }
    var seen: UInt64 = 0
    for (index, slot) in slots.enumerated() where slot > 0 {
      seen += slot
      if seen >= rank { return min(max(Self.middle(of: index), Double(minimum)), Double(maximum)) }
    }
    return Double(maximum)
  }

  /// Occurrences between `count` edges that rise by one factor from `low` to `high` nanoseconds: a curve's shape.
  package func shape(from low: Double, to high: Double, edges: [Double]) -> [UInt64] {
    var shape = [UInt64](repeating: 0, count: max(edges.count - 1, 0))
    var bin = 0
    for (index, slot) in slots.enumerated() where slot > 0 {
      let value = Self.middle(of: index)
      if value < low || value > high { continue }
      while bin + 2 < edges.count, value >= edges[bin + 1] { bin += 1 }
      if bin < shape.count { shape[bin] += slot }
    }
    return shape
  }

  @inline(__always)
  static func slot(of nanoseconds: UInt64) -> Int {
    let value = min(nanoseconds, longest)
    if value < 2 * UInt64(half) { return Int(value) }
    let shift = 53 - value.leadingZeroBitCount  // leaves 11 bits, the highest of them set
    return 2 * half + (shift - 1) * half + Int(value >> UInt64(shift)) - half
  }

  static func middle(of slot: Int) -> Double {
    if slot < 2 * half { return Double(slot) }
    let shift = (slot - 2 * half) / half + 1
    let low = UInt64((slot - 2 * half) % half + half) << UInt64(shift)
    return Double(low) + Double((UInt64(1) << UInt64(shift)) - 1) / 2
  }
}
