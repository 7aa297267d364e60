package import Wire

/// Where a request stands in a trace. W3C Trace Context, level 1.
package struct TraceContext: Sendable, Equatable {
  package struct TraceID: Sendable, Equatable {
    package let high: UInt64
    package let low: UInt64
  }

  package let traceID: TraceID
  /// Of this request here.
  package let spanID: UInt64
  /// Of whoever sent it; nil at the start of a trace.
  package let parentSpanID: UInt64?
  package let isSampled: Bool
  /// `tracestate` as it came; empty without.
  package let state: String

  /// What `traceparent` says; nil for what the specification calls invalid.
  package struct Parent: Sendable, Equatable {
    let traceID: TraceID
    let spanID: UInt64
    let isSampled: Bool

    package init?(_ text: UnsafeRawBufferPointer) {
      // 00-<32 hexadecimal digits>-<16>-<2>; later versions may have more behind another dash.
      guard text.count >= 55, text[2] == 45, text[35] == 45, text[52] == 45,
        let version = Self.hex(text, 0, 2), version != 0xff, version == 0 ? text.count == 55 : true,
        text.count == 55 || text[55] == 45,
        let high = Self.hex(text, 3, 16), let low = Self.hex(text, 19, 16), high != 0 || low != 0,
        let span = Self.hex(text, 36, 16), span != 0, let flags = Self.hex(text, 53, 2)
      else { return nil }
      traceID = TraceID(high: high, low: low)
      spanID = span
      isSampled = flags & 1 == 1
    }

    package var traceIDText: String { traceID.text }

    /// Lower-case digits, as the specification has them.
    private static func hex(_ text: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> UInt64? {
      var value: UInt64 = 0
      for byte in text[start..<start + count] {
        switch byte {
        case 48...57: value = value << 4 | UInt64(byte - 48)
        case 97...102: value = value << 4 | UInt64(byte - 87)
        default: return nil
        }
      }
      return value
    }
  }

  /// The value of `traceparent` that says where this request stands.
  package func writeParent(to out: ByteBuffer) {
    out.append("00-")
    out.append(traceID)
    out.append("-")
    out.append(hex: spanID)
    out.append(isSampled ? "-01" : "-00")
  }

  package var traceIDText: String { traceID.text }
}

extension TraceContext.TraceID {
  fileprivate var text: String {
    let out = ByteBuffer(capacity: 64)
    out.append(self)
    return out.string
  }
}

extension ByteBuffer {
  package func append(_ id: TraceContext.TraceID) {
    append(hex: id.high)
    append(hex: id.low)
  }

  /// Appends sixteen digits.
  package func append(hex value: UInt64) {
    for shift in stride(from: UInt64(60), through: 0, by: -4) {
      let digit = UInt8(truncatingIfNeeded: value >> shift & 15)
      append(digit + (digit < 10 ? 48 : 87))
    }
  }
}

/// Numbers for ids and samples: SplitMix64, seeded by the system. Owned by one exchange at a time.
package struct TraceNumbers: Sendable {
  private var state: UInt64

  package init() {
    var system = SystemRandomNumberGenerator()
    state = system.next()
  }

  /// Never 0, which no id may be.
  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    value ^= value >> 31
    return value == 0 ? 1 : value
  }
}
