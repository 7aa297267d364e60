import Glibc
package import Wire

/// The name of a request that brings none: two numbers, made at each request and written out for errors and logs only.
struct RequestName {
  /// Random, one per loop.
  let prefix: UInt64
  /// Counts the loop's requests.
  var number: UInt64

  static func first() -> RequestName { RequestName(prefix: UInt64.random(in: 1 ... .max), number: 0) }

  /// As `9f86d081884c7d65-2a`.
  func append(to out: ByteBuffer) {
    let digits = String(prefix, radix: 16)
    out.append(String(repeating: "0", count: 16 - digits.count))
    out.append(digits)
    out.append("-")
    out.append(String(number, radix: 16))
  }
}

extension Exchange {
  /// The `X-Request-Id` that the peer sent, where it can be repeated as it is; else a name of our own.
  package var requestID: String {
    let out = ByteBuffer(capacity: 64)
    appendRequestID(to: out)
    return out.string
  }

  package func appendRequestID(to out: ByteBuffer) {
    if let given = head.requestID, Self.isUsable(given) {
      out.append(given)
    } else {
      name.append(to: out)
    }
  }

  /// 1 to 128 letters, digits and `-._~:/+=@`: nothing that needs quotes in a log, a header or a shell.
  private static func isUsable(_ id: UnsafeRawBufferPointer) -> Bool {
    guard (1...128).contains(id.count) else { return false }
    // One bit a byte value: + - . / 0…9 : = and @ A…Z _ a…z ~
    let low: UInt64 = 1 << 43 | 0x3FFF << 45 | 1 << 61
    let high: UInt64 = 1 | 0x3FF_FFFF << 1 | 1 << 31 | 0x3FF_FFFF << 33 | 1 << 62
    var areAll: UInt64 = 1
    for byte in id {
      areAll &= (byte < 64 ? low : byte < 128 ? high : 0) >> UInt64(byte & 63)
    }
    return areAll & 1 == 1
  }
}
