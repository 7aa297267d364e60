package import Inference

/// What is known of a connection's other side. Only touched by the task that serves the connection.
package final class Identity {
  package enum Peer: Sendable {
    case unix(uid: UInt32, gid: UInt32)
    case tcp
  }

  package let peer: Peer
  /// Who has sent the last request; that nobody has been asked yet shows in `generation`.
  package private(set) var caller = Identity.nobody
  /// Of the caller's tenant.
  package private(set) var quota = Identity.noQuota
  /// Of the table that says so; -1 where none does.
  private(set) var generation = -1
  /// What was sent with the last request; nil for nothing.
  private var credential: [UInt8]?

  private static let nobody = Caller(tenant: .standard, role: .infer, name: "nobody")
  private static let noQuota = Quota(QuotaLimits())

  package init(_ peer: Peer) { self.peer = peer }

  /// Whether the last request came from somebody who may send it.
  package var isKnown: Bool { generation >= 0 }

  @inline(__always)
  func isLast(_ credential: UnsafeRawBufferPointer?) -> Bool {
    guard let credential, let known = self.credential else { return credential == nil && self.credential == nil }
    guard credential.count == known.count else { return false }
    // In the same time wherever they differ: several callers may share a connection by way of a proxy.
    return known.withUnsafeBytes { known in
      var difference: UInt8 = 0
      for index in 0..<known.count { difference |= known[index] ^ credential[index] }
      return difference == 0
    }
  }

  /// What each request of this caller touches of them and their tenant.
  package var lines: HotLines {
    var lines = HotLines()
    lines.add(self, 64)
    if let credential { lines.add(credential) }
    caller.note(&lines)
    quota.note(&lines)
    return lines
  }

  func forget() { generation = -1 }

  func remember(_ caller: Caller, _ quota: Quota, _ credential: UnsafeRawBufferPointer?, _ generation: Int) {
    self.caller = caller
    self.quota = quota
    self.generation = generation
    if !isLast(credential) { self.credential = credential.map { Array($0) } }
  }
}
