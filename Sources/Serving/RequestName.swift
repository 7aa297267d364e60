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
    if let given = head.value(of: "x-request-id"), Self.isUsable(given) {
      out.append(given)
    } else {
      name.append(to: out)
    }
  }

  /// 1 to 128 letters, digits and `-._~:/+=@`: nothing that needs quotes in a log, a header or a shell.
  private static func isUsable(_ id: UnsafeRawBufferPointer) -> Bool {
    (1...128).contains(id.count)
      && id.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "-")...UInt8(ascii: ":"), UInt8(ascii: "@"), UInt8(ascii: "_"), UInt8(ascii: "~"),
          UInt8(ascii: "+"), UInt8(ascii: "="):
          true
        default: false
        }
      }
  }
}
