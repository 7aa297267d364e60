package import Inference
package import Store
import Synchronization

/// Says of each request who sends it. Any thread; nothing waits.
///
/// What the database knows is published as a `CallerTable` at each change; a connection remembers its last answer for as
/// long as no other table comes and the same key is sent.
package final class Admission: Sendable {
  package struct Options: Sendable {
    /// The user who started the host: admin of the default tenant on the Unix socket.
    package var ownerUID: UInt32
    /// Of users on the Unix socket whom no map names, in the default tenant; nil refuses them.
    package var unmappedRole: Role?
    /// Of TCP callers without a key, in the default tenant; nil refuses them.
    package var anonymousRole: Role?
    /// Whether keys and users are known at all: without a database everybody is who they were before there was one.
    package var knowsKeys: Bool

    package init(ownerUID: UInt32, unmappedRole: Role?, anonymousRole: Role?, knowsKeys: Bool) {
      self.ownerUID = ownerUID
      self.unmappedRole = unmappedRole
      self.anonymousRole = anonymousRole
      self.knowsKeys = knowsKeys
    }

    /// Everybody is admin of the default tenant, as in a host without a database: the socket's permissions decide.
    package static let open = Options(ownerUID: .max, unmappedRole: .admin, anonymousRole: .admin, knowsKeys: false)
  }

  package let options: Options
  package let quotas: Quotas
  package let refused = RefusedCallers()
  private let published = Mutex(CallerTable())
  private let generation = Atomic<Int>(0)
  private let owner: Caller
  private let anonymous: Caller?

  package init(_ options: Options, quotas: Quotas = Quotas()) {
    self.options = options
    self.quotas = quotas
    owner = Caller(tenant: .standard, role: .admin, name: "uid:\(options.ownerUID)")
    anonymous = options.anonymousRole.map { Caller(tenant: .standard, role: $0, name: "anonymous", isAnonymous: true) }
  }

  package var table: CallerTable { published.withLock { $0 } }

  /// Takes over what the database knows.
  package func load(_ db: Connection) throws(HostError) { publish(try CallerTable(db)) }

  /// Takes over a newer table; an older one comes too late.
  package func publish(_ table: CallerTable) {
    published.withLock { current in
      guard table.generation >= current.generation else { return }
      current = table
      generation.store(table.generation, ordering: .releasing)
    }
  }

  /// Finds out who sends a request, for `identity` to know.
  ///
  /// - Parameters:
  ///   - identity: Of the connection.
  ///   - credential: Value of `Authorization` or `X-API-Key`; nil without either.
  ///   - origin: Asked where it is refused.
  /// - Returns: Whether it had to be looked up.
  /// - Throws: `.unauthenticated`.
  package func recognize(
    _ identity: Identity, _ credential: UnsafeRawBufferPointer?, from origin: () -> RefusedCallers.Origin
  ) throws(HostError) -> Bool {
    if identity.generation == generation.load(ordering: .acquiring), identity.isLast(credential),
      !identity.caller.hasExpired
    {
      return false
    }
    identity.forget()
    let table = table
    let caller = try look(for: identity.peer, options.knowsKeys ? credential : nil, in: table, origin)
    identity.remember(caller, quotas.quota(of: caller.tenant), credential, table.generation)
    return true
  }

  private func look(
    for peer: Identity.Peer, _ credential: UnsafeRawBufferPointer?, in table: CallerTable,
    _ origin: () -> RefusedCallers.Origin
  ) throws(HostError) -> Caller {
    if let credential {
      let known = try Self.key(in: credential).flatMap { (key) throws(HostError) in table.key(try KeyDigest(of: key)) }
      if let known, !known.isRevoked, !known.caller.hasExpired { return known.caller }
      let reason = known.map { $0.isRevoked ? RefusalReason.revokedKey : .expiredKey } ?? .unknownKey
      refused.note(reason, of: known?.caller, from: origin())
      throw HostError(.unauthenticated, "the API key is unknown, has expired or was revoked")
    }
    switch peer {
    case .tcp:
      if let anonymous { return anonymous }
      refused.note(.noKey, of: nil, from: origin())
      throw HostError(.unauthenticated, "TCP callers need an API key: 'Authorization: Bearer stadion_…'")
    case .unix(let uid, let gid):
      if uid == options.ownerUID { return owner }
      if let caller = table.caller(uid: uid, gid: gid) { return caller }
      if let role = options.unmappedRole { return Caller(tenant: .standard, role: role, name: "uid:\(uid)") }
      refused.note(.unmappedUser, of: nil, from: origin())
      throw HostError(
        .unauthenticated, "user \(uid) belongs to no tenant; an admin can say `stadion tenant map TENANT --uid \(uid)`")
    }
  }

  /// The key itself, with or without `Bearer` in front; nil for what can't be one.
  private static func key(in credential: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    var key = credential
    let scheme = "bearer "
    if key.count > scheme.utf8.count, zip(key, scheme.utf8).allSatisfy({ $0 | 0x20 == $1 }) {
      key = UnsafeRawBufferPointer(rebasing: key[scheme.utf8.count...])
    }
    guard key.count == APIKey.byteCount, key.starts(with: APIKey.prefix.utf8) else { return nil }
    return key
  }
}
