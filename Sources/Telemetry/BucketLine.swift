/// Writes the lines of one histogram's buckets, of which a page of metrics has hundreds of thousands, into memory that is
/// known to suffice.
///
/// All begin alike, and most end as the line before: a line is some copies of 16 bytes, which may write beyond its end.
struct BucketLine {
  /// Where the next line begins.
  private(set) var target: UnsafeMutableRawPointer
  private(set) var total: UInt64 = 0
  /// The first line's begin, which the others copy.
  private let prefix: UnsafeMutableRawPointer
  private let prefixCount: Int
  private var tail: UnsafePointer<BucketTails.Tail>
  /// The total's digits and a line's end, where they stand last.
  private var digits: UnsafeMutableRawPointer
  private var digitCount = 0

  /// - Parameters:
  ///   - prefix: Stands there up to the bucket's bound; `BucketTails.room` bytes are there.
  init(at prefix: UnsafeMutableRawPointer, _ prefixCount: Int, _ tails: BucketTails) {
    self.prefix = prefix
    self.prefixCount = prefixCount
    target = prefix
    digits = prefix
    tail = tails.tails
  }

  private typealias Piece = SIMD16<UInt8>
  fileprivate static let pieceCount = 16

  @inline(__always)
  private static func copy(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer) {
    target.storeBytes(of: source.loadUnaligned(as: Piece.self), as: Piece.self)
  }

  /// Adds to the total, and writes the next bucket's line. Once for each bucket.
  @inline(__always)
  mutating func append(_ count: UInt64) {
    if target != prefix {
      var offset = 0
      repeat {
        Self.copy(prefix + offset, to: target + offset)
        offset += Self.pieceCount
      } while offset < prefixCount
    }
    target += prefixCount
    target.storeBytes(of: tail.pointee.text, as: Piece.self)
    target += tail.pointee.count
    tail += 1
    if count == 0 && digitCount > 0 {
      Self.copy(digits, to: target)
      if digitCount > Self.pieceCount { Self.copy(digits + Self.pieceCount, to: target + Self.pieceCount) }
    } else {
      total &+= count
      writeDigits()
    }
    digits = target
    target += digitCount
  }

  private mutating func writeDigits() {
    digitCount = 2
    var probe = total
    while probe >= 10 {
      probe /= 10
      digitCount += 1
    }
    target.storeBytes(of: UInt8(ascii: "\n"), toByteOffset: digitCount - 1, as: UInt8.self)
    var rest = total
    for place in stride(from: digitCount - 2, through: 0, by: -1) {
      target.storeBytes(of: UInt8(truncatingIfNeeded: 48 + rest % 10), toByteOffset: place, as: UInt8.self)
      rest /= 10
    }
  }
}

/// What stands between the labels and the count of a histogram's lines: `1e-05"} `.
struct BucketTails: @unchecked Sendable {
  // @unchecked: what `tails` points to doesn't change, and stays.

  struct Tail {
    let text: SIMD16<UInt8>
    let count: Int
  }

  let tails: UnsafePointer<Tail>
  private let count: Int

  static let halfDecades = BucketTails(TimeScale.coarseLabels + ["+Inf"])
  static let decades = BucketTails(
    TimeScale.coarseLabels.enumerated().filter { $0.offset % 2 == 0 }.map(\.element) + ["+Inf"])

  /// Up to a count of 20 digits and the line's end.
  private static let longestRest = 16 + 21

  /// For the lines of one histogram, and what is written beyond the last.
  func room(_ prefixCount: Int) -> Int { count * (prefixCount + Self.longestRest) + 2 * BucketLine.pieceCount }

  private init(_ labels: [StaticString]) {
    let memory = UnsafeMutablePointer<Tail>.allocate(capacity: labels.count)
    for (index, label) in labels.enumerated() {
      let bytes = Array("\(label)\"} ".utf8)
      var text = SIMD16<UInt8>()
      for (place, byte) in bytes.enumerated() { text[place] = byte }
      (memory + index).initialize(to: Tail(text: text, count: bytes.count))
    }
    tails = UnsafePointer(memory)
    count = labels.count
  }
}
