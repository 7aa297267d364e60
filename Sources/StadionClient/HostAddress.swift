import Glibc
package import Inference

/// Where a host listens.
package enum HostAddress: Sendable, Equatable, CustomStringConvertible {
  case unix(path: String)
  case tcp(host: String, port: UInt16)

  /// - Parameter url: `http://host:port`; port 80 unless given; IPv6 addresses stand in brackets.
  /// - Throws: `HostError` `.invalidRequest` for everything else: there is no TLS and no base path.
  package init(url: String) throws(HostError) {
    let problem = HostError(.invalidRequest, "\"\(url)\" is no address; write http://host:port")
    guard url.hasPrefix("http://") else { throw problem }
    var rest = url.dropFirst("http://".count)
    if rest.hasSuffix("/") { rest.removeLast() }
    let host: Substring
    var tail: Substring
    if rest.hasPrefix("[") {
      guard let end = rest.firstIndex(of: "]") else { throw problem }
      host = rest[rest.index(after: rest.startIndex)..<end]
      tail = rest[rest.index(after: end)...]
    } else {
      let end = rest.firstIndex(of: ":") ?? rest.endIndex
      host = rest[..<end]
      tail = rest[end...]
    }
    guard !host.isEmpty, !host.contains(where: { "/?#@ ".contains($0) }) else { throw problem }
    if tail.isEmpty { tail = ":80" }
    guard tail.first == ":", let port = UInt16(tail.dropFirst()), port > 0 else { throw problem }
    self = .tcp(host: String(host), port: port)
  }

  /// The socket used when none is named: `$STADION_SOCKET`, else `$XDG_RUNTIME_DIR/stadion.sock`, else
  /// `/run/stadion.sock`. The last also when the second is missing and a host listens there.
  ///
  /// - Parameters:
  ///   - environment: Value of a variable, nil when unset.
  ///   - exists: Whether a file is there.
  package static func standard(
    environment: (String) -> String? = { getenv($0).map { String(cString: $0) } },
    exists: (String) -> Bool = { access($0, F_OK) == 0 }
  ) -> HostAddress {
    let system = "/run/stadion.sock"
    if let path = environment("STADION_SOCKET"), !path.isEmpty { return .unix(path: path) }
    guard let folder = environment("XDG_RUNTIME_DIR"), !folder.isEmpty else { return .unix(path: system) }
    let own = "\(folder)/stadion.sock"
    return .unix(path: !exists(own) && exists(system) ? system : own)
  }

  /// Value of the Host header; a Unix socket has none, servers accept any.
  package var hostHeader: String {
    switch self {
    case .unix: "localhost"
    case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
  }

  package var description: String {
    switch self {
    case .unix(let path): path
    case .tcp: "http://\(hostHeader)"
    }
  }
}
