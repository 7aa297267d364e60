import Inference

extension HTTPAddress {
  /// Reads `https://host:port/path`: what operators write and metadata services say. No query.
  init(_ text: String) throws(HostError) {
    let parts = text.split(separator: ":", maxSplits: 1)
    guard parts.count == 2, parts[0] == "https" || parts[0] == "http", parts[1].hasPrefix("//") else {
      throw HostError(
        .invalidRequest, "\"\(text.prefix(100))\" is no address; write it as https://host or http://host:port")
    }
    let rest = parts[1].dropFirst(2)
    let host = rest.prefix { $0 != "/" }
    let path = rest.dropFirst(host.count)
    let isPlain = host.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "@") && $0 != UInt8(ascii: "?") }
    guard !host.isEmpty, isPlain, !path.contains("?") else {
      throw HostError(.invalidRequest, "an address has no host, or a user or a query, which it can't have here")
    }
    // The header Host, which is signed, has no port that goes without saying.
    let plainPort = parts[0] == "https" ? ":443" : ":80"
    let shortHost = host.hasSuffix(plainPort) ? host.dropLast(plainPort.count) : host
    self.init(scheme: String(parts[0]), host: shortHost.lowercased(), path: path.isEmpty ? "/" : String(path))
  }

  /// The same server, another path.
  func at(_ path: String, _ query: [(name: String, value: String)] = []) -> HTTPAddress {
    HTTPAddress(scheme: scheme, host: host, path: path, query: query)
  }

  /// Pairs of an encoded query.
  static func decode(query: String) -> [(name: String, value: String)] {
    query.split(separator: "&").map { pair in
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return (decode(parts[0]), parts.count == 2 ? decode(parts[1]) : "")
    }
  }

  static func decode(_ text: Substring) -> String {
    var out: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
        out.append(value)
        rest = rest.dropFirst(2)
      } else {
        out.append(byte)
      }
    }
    return String(decoding: out, as: UTF8.self)
  }
}
