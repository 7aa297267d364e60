import CLinux

/// The cache lines that a request to one model reads and writes, fetched at once when the model is found.
///
/// Among thousands of models nearly all of them are cold. One after the other, as references lead from each to the next,
/// they would cost as many waits for memory; together they cost few.
package struct HotLines: Sendable {
  private static let lineBytes: UInt = 64

  private(set) var count = 0
  private var lines = InlineArray<32, UInt>(repeating: 0)

  package init() {}

  /// Notes lines; those for which there is no room are left cold.
  ///
  /// - Parameter start: It needn't be readable: fetching does nothing then.
  package mutating func add(_ start: UnsafeRawPointer, _ byteCount: Int) {
    var line = UInt(bitPattern: start) & ~(Self.lineBytes - 1)
    while line < UInt(bitPattern: start) + UInt(byteCount) && count < lines.count {
      if !(0..<count).contains(where: { lines[$0] == line }) {
        lines[count] = line
        count += 1
      }
      line += Self.lineBytes
    }
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
    for index in 0..<count { linux_prefetch(UnsafeRawPointer(bitPattern: lines[unchecked: index])) }
  }
}
