/// The buckets that a histogram is shown with: some bounds of those that it is counted in.
///
/// A page of metrics is mostly such lines, so each stage has as many as its times are told apart by.
struct ShownBuckets: @unchecked Sendable {
  // @unchecked: what `buckets` points to doesn't change, and stays.

  struct Bucket {
    /// What stands between the labels and the count: `le="1e-05"} `.
    let tail: SIMD16<UInt8>
    let tailCount: Int
    /// The first of the finer buckets that isn't in this one.
    let end: Int
  }

  let buckets: UnsafePointer<Bucket>
  let count: Int

  /// All of `TimeScale.coarse`, for times that are counted so.
  static let all = ShownBuckets(Array(TimeScale.coarse.indices), of: TimeScale.coarse)
  private static let request = ShownBuckets(Array(TimeScale.coarse.indices), of: TimeScale.fine)
  /// Of a wait, the order of magnitude says where a request's time went.
  private static let queue = ShownBuckets(
    Array(stride(from: 0, to: TimeScale.coarse.count, by: 2)), of: TimeScale.coarse)
  /// Tensors are read and written in microseconds: 10 µs, 100 µs, 1 ms, 10 ms.
  private static let tensors = ShownBuckets([0, 2, 4, 6], of: TimeScale.coarse)

  /// Rows of a run.
  static let rows = ShownBuckets(["1.0", "2.0", "4.0", "8.0", "16.0", "32.0", "64.0"], ends: Array(1...8))

  static func of(_ stage: ServiceTimes.Stage) -> ShownBuckets {
    switch stage {
    case .request: request
    case .queue: queue
    case .run: all
    case .computeInput, .computeOutput: tensors
    }
  }

  /// A tail, a number of 20 digits with nine more behind a point, and the line's end.
  private static let longestRest = 16 + 32

  /// For the lines of one histogram, and what is written beyond the last.
  func room(_ prefixCount: Int) -> Int { (count + 2) * (prefixCount + Self.longestRest) + 2 * BucketLine.pieceCount }

  /// - Parameters:
  ///   - shown: Bounds of `TimeScale.coarse`, by index.
  ///   - counted: The bounds that times are counted by; those shown are among them.
  private init(_ shown: [Int], of counted: [UInt64]) {
    let ends = shown.map { index in counted.count { $0 <= TimeScale.coarse[index] } } + [counted.count + 1]
    self.init(shown.map { TimeScale.coarseLabels[$0] }, ends: ends)
  }

  /// - Parameters:
  ///   - bounds: As Prometheus and OpenMetrics both write floats; what is beyond the last has a bucket, too.
  ///   - ends: Of each bucket, see `Bucket.end`.
  private init(_ bounds: [StaticString], ends: [Int]) {
    count = ends.count
    let memory = UnsafeMutablePointer<Bucket>.allocate(capacity: count)
    for (index, bound) in (bounds + ["+Inf"]).enumerated() {
      let bytes = Array("le=\"\(bound)\"} ".utf8)
      var tail = SIMD16<UInt8>()
      for (place, byte) in bytes.enumerated() { tail[place] = byte }
      (memory + index).initialize(to: Bucket(tail: tail, tailCount: bytes.count, end: ends[index]))
    }
    buckets = UnsafePointer(memory)
  }
}
