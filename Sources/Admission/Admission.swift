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
  /// - Throws: `.unauthenticated`.
  package func recognize(_ identity: Identity, _ credential: UnsafeRawBufferPointer?) throws(HostError) {
    if identity.generation == generation.load(ordering: .acquiring), identity.isLast(credential),
      !identity.caller.hasExpired
    {
      return
    }
    identity.forget()
    let table = table
    let caller = try look(for: identity.peer, options.knowsKeys ? credential : nil, in: table)
    identity.remember(caller, quotas.quota(of: caller.tenant), credential, table.generation)
  }

  private func look(
    for peer: Identity.Peer, _ credential: UnsafeRawBufferPointer?, in table: CallerTable
  ) throws(HostError) -> Caller {
    if let credential {
      guard let key = Self.key(in: credential), let caller = table.caller(try KeyDigest(of: key)), !caller.hasExpired
      else { throw HostError(.unauthenticated, "the API key is unknown, has expired or was revoked") }
      return caller
    }
    switch peer {
    case .tcp:
      if let anonymous { return anonymous }
      throw HostError(.unauthenticated, "TCP callers need an API key: 'Authorization: Bearer stadion_…'")
    case .unix(let uid, let gid):
      if uid == options.ownerUID { return owner }
      if let caller = table.caller(uid: uid, gid: gid) { return caller }
      if let role = options.unmappedRole { return Caller(tenant: .standard, role: role, name: "uid:\(uid)") }
      throw HostError(
        .unauthenticated, "user \(uid) belongs to no tenant; an admin can say `stadion tenant map-uid TENANT \(uid)`")
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
