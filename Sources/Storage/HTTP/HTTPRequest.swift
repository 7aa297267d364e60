/// A request to a provider, signed and whole.
struct HTTPRequest {
  enum Body {
    case none
    case bytes([UInt8])
    case file(FileSlice)

    var byteCount: Int {
      switch self {
      case .none: 0
      case .bytes(let bytes): bytes.count
      case .file(let slice): slice.byteCount
      }
    }
  }

  var method: String
  var address: HTTPAddress
  /// Names in lower case.
  var headers: [(name: String, value: String)]
  var body: Body
  /// Of the body; some signatures cover it.
  var bodyDigest: SHA256Digest

  init(
    _ method: String, _ address: HTTPAddress, headers: [(name: String, value: String)] = [], body: Body = .none,
    digest: SHA256Digest = .ofNothing
  ) {
    self.method = method
    self.address = address
    self.headers = headers
    self.body = body
    bodyDigest = digest
  }
}

/// What an address says, in the parts that are signed.
struct HTTPAddress: Sendable, Equatable {
  /// `https` or `http`.
  var scheme: String
  /// With the port, where it isn't the scheme's own.
  var host: String
  /// Starts with a slash; not encoded.
  var path: String
  /// Not encoded. Sent sorted by name, as signatures want it.
  var query: [(name: String, value: String)] = []

  static func == (one: Self, other: Self) -> Bool { one.text == other.text }

  var text: String { "\(scheme)://\(host)\(encodedPath)\(query.isEmpty ? "" : "?\(encodedQuery)")" }
  var encodedPath: String { Self.encode(path, keeping: UInt8(ascii: "/")) }
  var encodedQuery: String {
    query.map { (Self.encode($0.name), Self.encode($0.value)) }.sorted { $0 < $1 }
      .map { "\($0)=\($1)" }.joined(separator: "&")
  }

  /// RFC 3986's percent-encoding: all but letters, digits and `-._~`.
  static func encode(_ text: String, keeping kept: UInt8? = nil) -> String {
    var out = ""
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"), kept:
        out.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        out += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      }
    }
    return out
  }
}

/// An answer's head, and its body where that is small or tells of an error.
struct HTTPAnswer {
  var status = 0
  /// By names in lower case; of a repeated header the last.
  var headers: [String: String] = [:]
  var body: [UInt8] = []

  var isSuccess: Bool { (200...299).contains(status) }
  /// What the server says its clock shows.
  var date: CivilTime? { headers["date"].flatMap(CivilTime.init(http:)) }
}
