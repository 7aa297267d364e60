package import CStadionRunner

/// What one element of a tensor is. Raw values are those of `stadion_dtype`.
package enum ElementType: Int32, CaseIterable, Sendable {
  case f32 = 1, f16, bf16, f64, i8, i16, i32, i64, u8, u16, u32, u64, bool, utf8

  package init?(dtype: stadion_dtype) { self.init(rawValue: dtype) }

  /// The Open Inference Protocol's word for it: `FP32`, `BYTES`.
  package var protocolName: StaticString {
    switch self {
    case .f32: "FP32"
    case .f16: "FP16"
    case .bf16: "BF16"
    case .f64: "FP64"
    case .i8: "INT8"
    case .i16: "INT16"
    case .i32: "INT32"
    case .i64: "INT64"
    case .u8: "UINT8"
    case .u16: "UINT16"
    case .u32: "UINT32"
    case .u64: "UINT64"
    case .bool: "BOOL"
    case .utf8: "BYTES"
    }
  }

  /// The manifest's word for it: `f32`, `utf8`.
  package var manifestName: String { String(describing: self) }

  /// Bytes of one element; nil for `utf8`, whose elements differ in size.
  package var byteCount: Int? {
    switch self {
    case .bool, .i8, .u8: 1
    case .f16, .bf16, .i16, .u16: 2
    case .f32, .i32, .u32: 4
    case .f64, .i64, .u64: 8
    case .utf8: nil
    }
  }

  package init?(manifestName: String) {
    guard let match = Self.allCases.first(where: { $0.manifestName == manifestName }) else { return nil }
    self = match
  }

  /// Exact upper case, as the protocol writes it.
  package init?(protocolName bytes: UnsafeRawBufferPointer) {
    let match = Self.allCases.first { type in
      let name = type.protocolName
      return name.utf8CodeUnitCount == bytes.count
        && bytes.elementsEqual(UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
    }
    guard let match else { return nil }
    self = match
  }
}
