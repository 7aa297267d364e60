import Glibc
import Inference
import Running

/// The highest elements of a tensor.
enum Classification {
  struct Place {
    let index: Int
    /// As C's `to_string` writes it: integers plain, floats with six decimals.
    let value: String
  }

  /// Larger outputs aren't ranked: it would hold up the loop.
  static let elementLimit = 1_000_000
  /// Up to so many places a sorted list is kept while looking through; for more, everything is sorted.
  private static let insertionLimit = 64

  /// The `top` highest of `count` elements, highest first; equals in order of their index. NaN is lowest.
  static func top(
    _ top: Int, of output: RunRequest.Output, from start: Int, count: Int, named name: String
  ) throws(HostError) -> [Place] {
    switch output.elementType {
    case .f32: return floats(output, Float.self, top, start, count)
    case .f64: return floats(output, Double.self, top, start, count)
    case .i8: return integers(output, Int8.self, top, start, count)
    case .i16: return integers(output, Int16.self, top, start, count)
    case .i32: return integers(output, Int32.self, top, start, count)
    case .i64: return integers(output, Int64.self, top, start, count)
    case .u8: return integers(output, UInt8.self, top, start, count)
    case .u16: return integers(output, UInt16.self, top, start, count)
    case .u32: return integers(output, UInt32.self, top, start, count)
    case .u64: return integers(output, UInt64.self, top, start, count)
    case .bool, .f16, .bf16, .utf8:
      throw HostError(.invalidRequest, "output '\(name)' is \(output.elementType.protocolName) and can't be classified")
    }
  }

  private static func ranked<T: Comparable>(
    _ output: RunRequest.Output, _ type: T.Type, _ top: Int, _ start: Int, _ count: Int
  ) -> [(index: Int, value: T)] {
    typealias Ranked = (index: Int, value: T)
    func element(_ index: Int) -> Ranked {
      (index, output.data.loadUnaligned(fromByteOffset: (start + index) * MemoryLayout<T>.stride, as: T.self))
    }
    // `x == x` fails for NaN only.
    func isHigher(_ a: Ranked, _ b: Ranked) -> Bool {
      if a.value != a.value || b.value != b.value { return b.value != b.value && a.value == a.value }
      return a.value > b.value
    }
    guard top <= insertionLimit else {
      let sorted = (0..<count).map(element).sorted { isHigher($0, $1) || (!isHigher($1, $0) && $0.index < $1.index) }
      return Array(sorted.prefix(top))
    }
    var best: [Ranked] = []
    for index in 0..<count {
      let candidate = element(index)
      if best.count == top, let last = best.last, !isHigher(candidate, last) { continue }
      best.insert(candidate, at: best.firstIndex { isHigher(candidate, $0) } ?? best.count)
      if best.count > top { best.removeLast() }
    }
    return best
  }

  private static func integers<T: FixedWidthInteger>(
    _ output: RunRequest.Output, _ type: T.Type, _ top: Int, _ start: Int, _ count: Int
  ) -> [Place] {
    ranked(output, type, top, start, count).map { Place(index: $0.index, value: String($0.value)) }
  }

  private static func floats<T: BinaryFloatingPoint>(
    _ output: RunRequest.Output, _ type: T.Type, _ top: Int, _ start: Int, _ count: Int
  ) -> [Place] {
    ranked(output, type, top, start, count).map { Place(index: $0.index, value: sixDecimals(Double($0.value))) }
  }

  private static func sixDecimals(_ value: Double) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 400) { text in
      let length = withVaList([value]) { vsnprintf(text.baseAddress!, text.count, "%f", $0) }
      return String(decoding: UnsafeRawBufferPointer(text).prefix(max(0, Int(length))), as: UTF8.self)
    }
  }
}
