import Inference
import Wire

/// Reads one tensor's JSON data: a flat list, or lists nested exactly as the shape says.
struct TensorReader {
  private let name: String
  private let type: ElementType
  private let shape: UnsafeBufferPointer<Int64>
  private let elementCount: Int
  private var filled = 0

  /// - Parameters:
  ///   - name: For messages.
  ///   - shape: Its product is `elementCount`, already checked.
  init(name: String, type: ElementType, shape: UnsafeBufferPointer<Int64>, elementCount: Int) {
    self.name = name
    self.type = type
    self.shape = shape
    self.elementCount = elementCount
  }

  /// Reads numbers or booleans into `out`, which has room for `elementCount`.
  mutating func read(_ reader: inout JSONReader, numbersInto out: UnsafeMutableRawPointer) throws {
    guard let format = NumberFormat(type) else {
      throw failure("\(type.protocolName) has no JSON form; send it with the binary tensor extension")
    }
    try readList(&reader, level: 0) { reader, filled, capacity in
      try reader.numbers(format, into: out + filled * format.byteCount, capacity: capacity)
    }
    guard filled == elementCount else { throw countMismatch(String(filled)) }
  }

  /// Reads strings into `out` as the contract stores them: a 32-bit byte count and the bytes, for each.
  mutating func read(_ reader: inout JSONReader, textsInto out: ByteBuffer) throws {
    try readList(&reader, level: 0) { reader, _, _ in
      let text = try reader.string()
      let lengthAt = out.count
      out.reserve(4)
      out.count += 4
      text.appendDecoded(to: out)
      (out.base + lengthAt).storeBytes(of: UInt32(out.count - lengthAt - 4).littleEndian, as: UInt32.self)
      return 1
    }
    guard filled == elementCount else { throw countMismatch(String(filled)) }
  }

  /// - Parameter readElements: Reads one or more elements, given how many there are and how many more fit.
  private mutating func readList(
    _ reader: inout JSONReader, level: Int, _ readElements: (inout JSONReader, Int, Int) throws -> Int
  ) throws {
    guard try reader.peek() == .array else { throw failure("data must be a list of \(type.protocolName)") }
    try reader.beginArray()
    var lists = 0
    var elements = 0
    while try reader.nextElement() {
      if try reader.peek() == .array {
        guard level + 1 < shape.count else { throw failure("data is nested deeper than shape \(describe())") }
        try readList(&reader, level: level + 1, readElements)
        lists += 1
      } else {
        guard filled < elementCount else { throw countMismatch("more") }
        let count: Int
        do {
          count = try readElements(&reader, filled, elementCount - filled)
        } catch let error as JSONError {
          throw failure(error.description)
        }
        filled += count
        elements += count
      }
    }
    try check(level, lists, elements)
  }

  /// A list is the whole tensor, or just what its level of the shape says.
  private func check(_ level: Int, _ lists: Int, _ elements: Int) throws(HostError) {
    let isFlat = level == 0 && lists == 0
    let isRow = lists == 0 && level == shape.count - 1 && elements == Int(shape[level])
    let isLevel = elements == 0 && level < shape.count && lists == Int(shape[level])
    guard isFlat || isRow || isLevel else {
      throw failure(
        "a list at depth \(level + 1) has \(lists + elements) parts, shape \(describe()) wants \(shape[level]) there")
    }
  }

  private func describe() -> String { ShapeText.describe(shape) }

  private func failure(_ reason: String) -> HostError { HostError(.invalidRequest, "input '\(name)': \(reason)") }

  private func countMismatch(_ count: String) -> HostError {
    failure("shape \(describe()) takes \(elementCount) elements, data has \(count)")
  }
}

extension NumberFormat {
  /// Nil for types without a form as JSON numbers.
  init?(_ type: ElementType) {
    switch type {
    case .f32: self = .f32
    case .f64: self = .f64
    case .i8: self = .i8
    case .i16: self = .i16
    case .i32: self = .i32
    case .i64: self = .i64
    case .u8: self = .u8
    case .u16: self = .u16
    case .u32: self = .u32
    case .u64: self = .u64
    case .bool: self = .bool
    case .f16, .bf16, .utf8: return nil
    }
  }
}

/// Shapes as clients write them.
enum ShapeText {
  static func describe(_ shape: some Sequence<Int64>) -> String {
    "[" + shape.map(String.init).joined(separator: ",") + "]"
  }
}
