package import Inference
package import Wire

extension DenseTensor {
  /// Reads `json`, a scalar or a regular nesting of arrays; the nesting gives the shape.
  ///
  /// Integers are read digit by digit and must fit; nothing passes through a double.
  /// - Throws: `HostError` `.invalidRequest` naming the element that has the wrong kind or size.
  package init(name: String, elementType: ElementType, json: JSONValue) throws(HostError) {
    var shape: [Int64] = []
    var level = json
    while case .array(let elements) = level {
      shape.append(Int64(elements.count))
      guard let first = elements.first else { break }
      level = first
    }
    let out = ByteBuffer()
    try Self.append(json, elementType, shape[...], to: out, name)
    self.init(name: name, elementType: elementType, shape: shape, bytes: Array(out.bytes))
  }

  private static func append(
    _ json: JSONValue, _ type: ElementType, _ shape: ArraySlice<Int64>, to out: ByteBuffer, _ name: String
  ) throws(HostError) {
    guard let size = shape.first else {
      guard append(json, type, to: out) else {
        let text = json.text
        let shown = text.utf8.count > 40 ? json.kindName : text
        throw HostError(.invalidRequest, "\(name): \(shown) is no \(type.protocolName) value")
      }
      return
    }
    guard case .array(let elements) = json, elements.count == size else {
      let found = json.array.map { "an array of \($0.count)" } ?? json.kindName
      throw HostError(.invalidRequest, "\(name): the arrays are ragged: \(found) where an array of \(size) is wanted")
    }
    for element in elements { try append(element, type, shape.dropFirst(), to: out, name) }
  }

  private static func append(_ json: JSONValue, _ type: ElementType, to out: ByteBuffer) -> Bool {
    func raw<Value: BitwiseCopyable>(_ value: Value?) -> Bool {
      guard let value else { return false }
      withUnsafeBytes(of: value) { out.append($0) }
      return true
    }
    switch (type, json) {
    case (.utf8, .string(let text)):
      out.append(length: text.utf8.count)
      out.append(text)
      return true
    case (.bool, .bool(let value)): return raw(UInt8(value ? 1 : 0))
    case (.bool, .number("0")), (.bool, .number("1")): return raw(UInt8(json.int ?? 0))
    case (.f32, .number(let digits)): return raw(Float(digits))
    case (.f64, .number(let digits)): return raw(Double(digits))
    case (.f16, .number(let digits)): return raw(Float(digits).map { Float16($0) })
    case (.bf16, .number(let digits)): return raw(Float(digits).map(Self.bfloat16))
    case (.i8, .number(let digits)): return raw(Int8(digits))
    case (.i16, .number(let digits)): return raw(Int16(digits))
    case (.i32, .number(let digits)): return raw(Int32(digits))
    case (.i64, .number(let digits)): return raw(Int64(digits))
    case (.u8, .number(let digits)): return raw(UInt8(digits))
    case (.u16, .number(let digits)): return raw(UInt16(digits))
    case (.u32, .number(let digits)): return raw(UInt32(digits))
    case (.u64, .number(let digits)): return raw(UInt64(digits))
    default: return false
    }
  }

  /// The upper half of a float, rounded to nearest, ties to even; NaN stays NaN.
  private static func bfloat16(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if value.isNaN { return UInt16(bits >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
  }

  /// Calls `body` with every element as a double; not for BYTES. 64-bit integers lose digits: for statistics only.
  package func forEachNumber(_ body: (Double) -> Void) {
    guard let size = elementType.byteCount else { return }
    for offset in stride(from: 0, to: bytes.count - bytes.count % size, by: size) {
      switch elementType {
      case .f32: body(Double(load(Float.self, at: offset)))
      case .f64: body(load(Double.self, at: offset))
      case .f16: body(Double(load(Float16.self, at: offset)))
      case .bf16: body(Double(Float(bitPattern: UInt32(load(UInt16.self, at: offset)) << 16)))
      case .i8: body(Double(load(Int8.self, at: offset)))
      case .i16: body(Double(load(Int16.self, at: offset)))
      case .i32: body(Double(load(Int32.self, at: offset)))
      case .i64: body(Double(load(Int64.self, at: offset)))
      case .u8, .bool: body(Double(load(UInt8.self, at: offset)))
      case .u16: body(Double(load(UInt16.self, at: offset)))
      case .u32: body(Double(load(UInt32.self, at: offset)))
      case .u64: body(Double(load(UInt64.self, at: offset)))
      case .utf8: return
      }
    }
  }

  /// Flat elements as JSON values, exact: shortest digits that read back; `NaN` and `Infinity` as in the protocol.
  ///
  /// - Parameter limit: Elements at most, from the front.
  /// - Throws: `HostError` `.internalError` for broken BYTES framing.
  package func elementsAsJSON(limit: Int = .max) throws(HostError) -> [JSONValue] {
    guard let size = elementType.byteCount else {
      return try byteElements().prefix(limit).map { .string(String(decoding: $0, as: UTF8.self)) }
    }
    return (0..<min(limit, bytes.count / size)).map { element(at: $0 * size) }
  }

  private func element(at offset: Int) -> JSONValue {
    func number(_ value: some BinaryFloatingPoint & CustomStringConvertible) -> JSONValue {
      if value.isNaN { return .number("NaN") }
      if value.isInfinite { return .number(value > 0 ? "Infinity" : "-Infinity") }
      return .number(value.description)
    }
    return switch elementType {
    case .f32: number(load(Float.self, at: offset))
    case .f64: number(load(Double.self, at: offset))
    case .f16: number(load(Float16.self, at: offset))
    case .bf16: number(Float(bitPattern: UInt32(load(UInt16.self, at: offset)) << 16))
    case .i8: .integer(load(Int8.self, at: offset))
    case .i16: .integer(load(Int16.self, at: offset))
    case .i32: .integer(load(Int32.self, at: offset))
    case .i64: .integer(load(Int64.self, at: offset))
    case .u8: .integer(load(UInt8.self, at: offset))
    case .u16: .integer(load(UInt16.self, at: offset))
    case .u32: .integer(load(UInt32.self, at: offset))
    case .u64: .integer(load(UInt64.self, at: offset))
    case .bool: .bool(load(UInt8.self, at: offset) != 0)
    case .utf8: .null
    }
  }
}

extension ByteBuffer {
  fileprivate func append(length: Int) {
    withUnsafeBytes(of: UInt32(truncatingIfNeeded: length).littleEndian) { append($0) }
  }
}
