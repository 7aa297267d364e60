/// Hands out ranges of an arena and takes them back. Pure bookkeeping: it touches no memory.
///
/// Ranges that came back are kept warm, by size, for the next of that size: their pages are mapped on both sides.
struct ArenaSpace {
  /// Smallest range, and the step of all offsets.
  static let smallest = 16 * 1024
  private static let classesPerDoubling = 4

  /// Cold ranges by offset, never touching each other.
  private var extents: [Range<Int>]
  /// Offsets of warm ranges, by size class; the last one came back last.
  private var warm: [[Int]] = Array(repeating: [], count: 4 * 48)
  private var warmBytes = 0
  private let warmLimit: Int
  /// Bytes that are handed out.
  private(set) var usedBytes = 0

  /// - Parameter warmLimit: Bytes of warm ranges that are kept.
  init(_ range: Range<Int>, warmLimit: Int) {
    extents = [range]
    self.warmLimit = warmLimit
  }

  /// The size that a range for `byteCount` bytes has: at most a quarter more, from 16 KB on.
  static func size(for byteCount: Int) -> Int {
    if byteCount <= smallest { return smallest }
    let step = max(smallest, (1 << (Int.bitWidth - 1 - (byteCount - 1).leadingZeroBitCount)) / classesPerDoubling)
    return (byteCount + step - 1) / step * step
  }

  /// A number for each size that `size(for:)` gives.
  private static func sizeClass(_ size: Int) -> Int {
    let doubling = Int.bitWidth - 1 - size.leadingZeroBitCount
    let quarter = (size >> (doubling - 2)) & (classesPerDoubling - 1)
    return (doubling - 14) * classesPerDoubling + quarter
  }

  /// - Parameter byteCount: 0...1 << 46.
  /// - Returns: The offset of `size(for: byteCount)` bytes; nil when there is no such range, but for warm ones of other sizes.
  mutating func take(_ byteCount: Int) -> Int? {
    let size = Self.size(for: byteCount)
    let sizeClass = Self.sizeClass(size)
    if let offset = warm[sizeClass].popLast() {
      warmBytes -= size
      usedBytes += size
      return offset
    }
    return takeCold(size)
  }

  private mutating func takeCold(_ size: Int) -> Int? {
    guard let index = extents.firstIndex(where: { $0.count >= size }) else { return nil }
    let offset = extents[index].lowerBound
    extents[index] = offset + size..<extents[index].upperBound
    if extents[index].isEmpty { extents.remove(at: index) }
    usedBytes += size
    return offset
  }

  /// Takes a range back to be kept warm.
  ///
  /// - Returns: False if it isn't kept: once its pages have gone back, `give(cold:)` takes it.
  mutating func give(warm offset: Int, _ byteCount: Int) -> Bool {
    let size = Self.size(for: byteCount)
    guard warmBytes + size <= warmLimit else { return false }
    usedBytes -= size
    warmBytes += size
    warm[Self.sizeClass(size)].append(offset)
    return true
  }

  /// Takes a range back that holds no pages any more.
  mutating func give(cold range: Range<Int>) {
    usedBytes -= range.count
    insert(range)
  }

  /// Hands out all warm ranges: their pages should go back, and then they by `give(cold:)`.
  mutating func takeWarm() -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    for sizeClass in warm.indices where !warm[sizeClass].isEmpty {
      let doubling = sizeClass / Self.classesPerDoubling + 14
      let size =
        (1 << doubling) / Self.classesPerDoubling * (Self.classesPerDoubling + sizeClass % Self.classesPerDoubling)
      ranges += warm[sizeClass].map { $0..<$0 + size }
      warm[sizeClass] = []
    }
    usedBytes += warmBytes
    warmBytes = 0
    return ranges
  }

  /// Puts a range back among the cold ones, joined with its neighbours.
  private mutating func insert(_ range: Range<Int>) {
    var index = extents.firstIndex { $0.lowerBound > range.lowerBound } ?? extents.count
    var joined = range
    if index < extents.count, extents[index].lowerBound == joined.upperBound {
      joined = joined.lowerBound..<extents[index].upperBound
      extents.remove(at: index)
    }
    if index > 0, extents[index - 1].upperBound == joined.lowerBound {
      index -= 1
      joined = extents[index].lowerBound..<joined.upperBound
      extents.remove(at: index)
    }
    extents.insert(joined, at: index)
  }
}
