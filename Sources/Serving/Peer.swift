import CLinux
import Glibc
package import Inference
import Synchronization
import Wire

/// The other side of a connection. Only touched by the task that serves the connection.
package final class Peer {
  package enum Kind: Sendable {
    /// Who connected, as the kernel says.
    case unix(uid: UInt32, gid: UInt32, pid: Int32)
    case tcp
  }

  package let kind: Kind
  /// What a handler knows of who it is, from one request to the next.
  package var identity: AnyObject?
  /// For whom it sends, as logs and refusals tell; nil where there is nothing to tell apart.
  package var tenant: String?
  /// Of all connections of its tenant; nil where they aren't bounded.
  private(set) var load: ServingLoad?
  /// What each of its requests touches of whom it sends for.
  package var lines = HotLines()
  private let descriptor: CInt
  private let server: HTTPServer

  init(descriptor: CInt, isUnix: Bool, server: HTTPServer) {
    self.descriptor = descriptor
    self.server = server
    // Nobody, where the kernel doesn't say.
    var (uid, gid, pid) = (UInt32.max, UInt32.max, Int32(0))
    if isUnix { _ = linux_peer(descriptor, &uid, &gid, &pid) }
    kind = isUnix ? .unix(uid: uid, gid: gid, pid: pid) : .tcp
  }

  deinit { load?.connections.wrappingSubtract(1, ordering: .relaxed) }

  /// Counts the connection among those of a tenant, and no longer among those of another.
  ///
  /// - Parameter load: Of all of them; nil for a caller who isn't bounded.
  /// - Throws: `.quotaExceeded` where the tenant has as many as it may.
  package func join(_ load: ServingLoad?) throws(HostError) {
    guard load !== self.load else { return }
    let limit = server.limits.tenantConnections
    if let count = load?.connections.wrappingAdd(1, ordering: .relaxed).newValue, limit > 0, count > limit {
      load?.connections.wrappingSubtract(1, ordering: .relaxed)
      throw HostError(
        .quotaExceeded, "\(limit) connections of one tenant are the limit; try again when one has ended",
        details: ["limit": "serving.maxTenantConnections", "value": .integer(limit)])
    }
    self.load?.connections.wrappingSubtract(1, ordering: .relaxed)
    self.load = load
  }

  /// For people: `unix uid=1000 pid=4711`, `tcp 127.0.0.1:51122`. While the connection is open.
  package var origin: String {
    guard case .unix(let uid, _, let pid) = kind else { return "tcp \(address)" }
    return "unix uid=\(uid) pid=\(pid)"
  }

  /// The same without what is another with each connection: `unix uid=1000`, `tcp 127.0.0.1`.
  package var source: String {
    guard case .unix(let uid, _, _) = kind else { return "tcp \(names?.host ?? "unknown")" }
    return "unix uid=\(uid)"
  }

  private var address: String {
    guard let (host, port) = names else { return "unknown" }
    return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
  }

  /// Of the other side's address, in numbers.
  private var names: (host: String, port: String)? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    var port = [CChar](repeating: 0, count: Int(NI_MAXSERV))
    let isKnown = withUnsafeMutablePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        getpeername(descriptor, address, &length) == 0
          && getnameinfo(
            address, length, &host, socklen_t(host.count), &port, socklen_t(port.count), NI_NUMERICHOST | NI_NUMERICSERV
          ) == 0
      }
    }
    guard isKnown else { return nil }
    func text(_ characters: [CChar]) -> String {
      String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    return (text(host), text(port))
  }
}
