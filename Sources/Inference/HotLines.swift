import CLinux

/// Cache lines that a request reads and writes, as those of its model, fetched at once when the model is found.
///
/// Among thousands of models and tenants nearly all of them are cold. One after the other, as references lead from each
/// to the next, they would cost as many waits for memory; together they cost few.
package struct HotLines: Sendable {
  private static let lineBytes: UInt = 64
  /// Of lines; the lowest bits of an address say how many follow the first.
  private static let longestRun: UInt = 32

  private var runCount = 0
  private var runs = InlineArray<14, UInt>(repeating: 0)

  package init() {}

  /// Of lines.
  var count: Int { (0..<runCount).reduce(0) { $0 + Int(following(runs[$1])) + 1 } }

  @inline(__always)
  private func following(_ run: UInt) -> UInt { run & (Self.lineBytes - 1) }

  /// Notes lines; those for which there is no room are left cold.
  ///
  /// - Parameter start: It needn't be readable: fetching does nothing then.
  package mutating func add(_ start: UnsafeRawPointer, _ byteCount: Int) {
    guard byteCount > 0 else { return }
    var first = UInt(bitPattern: start) / Self.lineBytes
    var last = (UInt(bitPattern: start) + UInt(byteCount) - 1) / Self.lineBytes
    // Takes in the runs that it touches.
    var index = 0
    while index < runCount {
      let itsFirst = runs[index] / Self.lineBytes
      let itsLast = itsFirst + following(runs[index])
      if itsFirst <= last + 1 && first <= itsLast + 1 {
        (first, last) = (min(first, itsFirst), max(last, itsLast))
        runCount -= 1
        runs[index] = runs[runCount]
        index = 0
      } else {
        index += 1
      }
    }
    guard runCount < runs.count else { return }
    runs[runCount] = first * Self.lineBytes | min(last - first, Self.longestRun - 1)
    runCount += 1
  }

  /// - Parameter byteCount: From the object's start, with 16 that count its references.
  package mutating func add(_ object: AnyObject, _ byteCount: Int) {
    add(Unmanaged.passUnretained(object).toOpaque(), byteCount)
  }

  /// An array: its counts, which a copy writes, and its first elements.
  package mutating func add<Element>(_ array: [Element]) {
    guard !array.isEmpty else { return }
    array.withUnsafeBytes { bytes in
      if let start = bytes.baseAddress {
        add(start - Self.arrayHead, Self.arrayHead + min(bytes.count, Self.arrayStart))
      }
    }
  }

  /// What stands in front of an array's elements.
  private static let arrayHead = 32
  private static let arrayStart = 64

  @inline(__always)
  package func fetch() {
    for index in 0..<runCount {
      let run = runs[unchecked: index]
      let first = run & ~(Self.lineBytes - 1)
      for line in 0...following(run) {
        linux_prefetch(UnsafeRawPointer(bitPattern: first &+ line &* Self.lineBytes))
      }
    }
  }
}
