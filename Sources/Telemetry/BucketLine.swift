/// Writes the lines of one histogram, of which a page of metrics has hundreds of thousands, into memory that is known to
/// suffice.
///
/// All begin alike, and most end as the line before: a line is some copies of 16 bytes, which may write beyond its end.
struct BucketLine {
  /// `NAME_bucket{LABELS,`, or without the comma.
  struct Prefix {
    let nameCount: Int
    let labelCount: Int
    let count: Int
  }

  static let suffix: StaticString = "_bucket"

  /// Where the next line begins.
  private(set) var target: UnsafeMutableRawPointer
  private var total: UInt64 = 0
  /// The first line's begin, which the others copy.
  private let first: UnsafeMutableRawPointer
  private let prefix: Prefix
  private var bucket: UnsafePointer<ShownBuckets.Bucket>
  /// The total's digits and a line's end, where they stand last, and how many bytes these are.
  private var digits: UnsafeMutableRawPointer
  private var digitCount = 0

  /// - Parameter first: The prefix stands there; `ShownBuckets.room` bytes are there.
  init(at first: UnsafeMutableRawPointer, _ prefix: Prefix, _ shown: ShownBuckets) {
    self.first = first
    self.prefix = prefix
    target = first
    digits = first
    bucket = shown.buckets
  }

  // MARK: Lines

  /// Adds to the total, and writes the next bucket's line. Once for each bucket.
  @inline(__always)
  mutating func append(_ count: UInt64) {
    if target == first { target += prefix.count } else { copy(0, prefix.count) }
    target.storeBytes(of: bucket.pointee.tail, as: Piece.self)
    target += bucket.pointee.tailCount
    bucket += 1
    if count == 0 && digitCount > 0 {
      let start = target
      copy(from: digits, digitCount)
      digits = start
    } else {
      total &+= count
      digits = target
      write(decimal: total)
      write(UInt8(ascii: "\n"))
      digitCount = target - digits
    }
  }

  /// Writes the sum and the count, which is that of the last bucket, whatever has been added since.
  mutating func end(sumNs: UInt64) {
    begin("_sum")
    write(seconds: sumNs)
    end()
  }

  /// The same where no times were summed.
  mutating func end(sum: UInt64) {
    begin("_sum")
    write(decimal: sum)
    end()
  }

  private mutating func end() {
    write(UInt8(ascii: "\n"))
    begin("_count")
    copy(from: digits, digitCount)
  }

  /// Writes `NAME_SUFFIX{LABELS} `.
  private mutating func begin(_ suffix: StaticString) {
    copy(0, prefix.nameCount)
    target.copyMemory(from: suffix.utf8Start, byteCount: suffix.utf8CodeUnitCount)
    target += suffix.utf8CodeUnitCount
    copy(prefix.nameCount + Self.suffix.utf8CodeUnitCount, prefix.labelCount + 1)
    write(UInt8(ascii: "}"))
    write(UInt8(ascii: " "))
  }

  // MARK: Bytes

  fileprivate typealias Piece = SIMD16<UInt8>
  static let pieceCount = 16

  /// Copies so many bytes of the first line.
  @inline(__always)
  private mutating func copy(_ start: Int, _ count: Int) { copy(from: first + start, count) }

  /// The source lies at least a piece before the target.
  @inline(__always)
  private mutating func copy(from source: UnsafeRawPointer, _ count: Int) {
    var offset = 0
    repeat {
      target.storeBytes(
        of: source.loadUnaligned(fromByteOffset: offset, as: Piece.self), toByteOffset: offset, as: Piece.self)
      offset &+= Self.pieceCount
    } while offset < count
    target += count
  }

  @inline(__always)
  private mutating func write(_ byte: UInt8) {
    target.storeBytes(of: byte, as: UInt8.self)
    target += 1
  }

  private mutating func write(decimal value: UInt64) {
    var count = 1
    var probe = value
    while probe >= 10 {
      probe /= 10
      count += 1
    }
    write(decimal: value, digits: count)
  }

  private mutating func write(decimal value: UInt64, digits count: Int) {
    var rest = value
    for place in stride(from: count - 1, through: 0, by: -1) {
      target.storeBytes(of: UInt8(truncatingIfNeeded: 48 + rest % 10), toByteOffset: place, as: UInt8.self)
      rest /= 10
    }
    target += count
  }

  /// Nanoseconds as seconds, exactly.
  private mutating func write(seconds nanoseconds: UInt64) {
    write(decimal: nanoseconds / 1_000_000_000)
    var rest = nanoseconds % 1_000_000_000
    guard rest > 0 else { return }
    var count = 9
    while rest % 10 == 0 {
      rest /= 10
      count -= 1
    }
    write(UInt8(ascii: "."))
    write(decimal: rest, digits: count)
  }
}
