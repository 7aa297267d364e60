import Glibc

/// Writes the lines of a histogram's buckets, of which a page of metrics has hundreds of thousands, into memory that is
/// known to suffice.
struct BucketLine {
  private(set) var target: UnsafeMutableRawPointer
  private(set) var total: UInt64 = 0
  /// Where the digits of the total stand last, and how many: most buckets add nothing to it.
  private var digits: UnsafeMutableRawPointer
  private var digitCount = 0

  init(to target: UnsafeMutableRawPointer) {
    self.target = target
    digits = target
  }

  @inline(__always)
  mutating func copy(_ source: UnsafeRawPointer, _ byteCount: Int) {
    memcpy(target, source, byteCount)
    target += byteCount
  }

  /// Adds to the total, and writes it and the line's end.
  @inline(__always)
  mutating func append(total count: UInt64) {
    if count == 0 && digitCount > 0 {
      memcpy(target, digits, digitCount)
    } else {
      total &+= count
      writeDigits()
    }
    digits = target
    target += digitCount
    target.storeBytes(of: UInt8(ascii: "\n"), as: UInt8.self)
    target += 1
  }

  private mutating func writeDigits() {
    digitCount = 1
    var probe = total
    while probe >= 10 {
      probe /= 10
      digitCount += 1
    }
    var rest = total
    for place in stride(from: digitCount - 1, through: 0, by: -1) {
      target.storeBytes(of: UInt8(truncatingIfNeeded: 48 + rest % 10), toByteOffset: place, as: UInt8.self)
      rest /= 10
    }
  }
}

/// What stands between a bucket line's labels and its count: `1e-05"} `.
struct BucketTails: Sendable {
  let bytes: [UInt8]
  let lengths: [Int]
  /// Each tail has so many bytes of room.
  let longest: Int

  static let halfDecades = BucketTails(TimeScale.coarseLabels + ["+Inf"])
  static let decades = BucketTails(
    TimeScale.coarseLabels.enumerated().filter { $0.offset % 2 == 0 }.map(\.element) + ["+Inf"])

  private init(_ labels: [StaticString]) {
    let tails = labels.map { Array("\($0)\"} ".utf8) }
    let longest = tails.map(\.count).max() ?? 0
    bytes = tails.flatMap { $0 + [UInt8](repeating: 0, count: longest - $0.count) }
    lengths = tails.map(\.count)
    self.longest = longest
  }
}
