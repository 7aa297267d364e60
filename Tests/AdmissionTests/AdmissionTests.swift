import Inference
import Testing

@testable import Admission

@Suite struct `Admission of a request` {
  private func admission(
    owner: UInt32 = 1, unmapped: Role? = nil, anonymous: Role? = nil, knowsKeys: Bool = true
  ) -> Admission {
    Admission(.init(ownerUID: owner, unmappedRole: unmapped, anonymousRole: anonymous, knowsKeys: knowsKeys))
  }

  private static let origin: @Sendable () -> RefusedCallers.Origin = { .init(source: "tcp 127.0.0.1", requestID: "r") }

  private func code(_ admission: Admission, _ identity: Identity, _ credential: String? = nil) -> HostError.Code? {
    do throws(HostError) {
      guard let credential else {
        _ = try admission.recognize(identity, nil, from: Self.origin)
        return nil
      }
      let result = Array(credential.utf8).withUnsafeBytes { bytes in
        Result { () throws(HostError) in _ = try admission.recognize(identity, bytes, from: Self.origin) }
      }
      try result.get()
      return nil
    } catch {
      return error.code
    }
  }

  @Test func `knows the host's owner as admin, others as the options say`() {
    let owner = Identity(.unix(uid: 1, gid: 1))
    #expect(code(admission(), owner) == nil && owner.caller.isOperator && owner.caller.name == "uid:1")
    let other = Identity(.unix(uid: 2, gid: 1))
    #expect(code(admission(), other) == .unauthenticated)
    #expect(code(admission(unmapped: .infer), other) == nil && other.caller.role == .infer)
  }

  @Test func `refuses TCP without a key unless anonymous callers are wanted`() {
    let identity = Identity(.tcp)
    #expect(code(admission(), identity) == .unauthenticated && !identity.isKnown)
    #expect(code(admission(anonymous: .infer), identity) == nil && identity.caller.isAnonymous)
  }

  @Test(arguments: ["", "stadion_", "Bearer ", "Bearer stadion_\(String(repeating: "a", count: 43))", "Basic eDp5"])
  func `refuses what is no known key, whoever sends it`(credential: String) {
    let identity = Identity(.unix(uid: 1, gid: 1))
    #expect(code(admission(), identity) == nil)
    #expect(code(admission(), identity, credential) == .unauthenticated && !identity.isKnown)
    #expect(code(admission(knowsKeys: false), identity, credential) == nil)
  }

  @Test func `asks once a connection, until something changes`() throws {
    let admission = admission(unmapped: .infer)
    let identity = Identity(.unix(uid: 2, gid: 2))
    #expect(try admission.recognize(identity, nil, from: Self.origin))
    #expect(try !admission.recognize(identity, nil, from: Self.origin))
    #expect(identity.quota === admission.quotas.quota(of: .standard))
  }

  @Test func `tells digests apart by each of their bits`() throws {
    let bytes = [UInt8](0..<32)
    let digest = try #require(KeyDigest(bytes: bytes))
    for bit in 0..<256 {
      var changed = bytes
      changed[bit / 8] ^= 1 << (bit % 8)
      #expect(KeyDigest(bytes: changed) != digest)
    }
    #expect(KeyDigest(bytes: bytes) == digest && KeyDigest(bytes: Array(bytes.dropLast())) == nil)
  }

  @Test func `makes keys of 256 bits that differ`() {
    let keys = (0..<100).map { _ in APIKey.fresh() }
    #expect(Set(keys).count == 100 && keys.allSatisfy { $0.utf8.count == 51 && $0.hasPrefix("stadion_") })
  }

  @Test func `gives each tenant one quota, and changes the limits of all`() throws {
    let quotas = Quotas()
    let (acme, other) = (try #require(TenantID("acme")), try #require(TenantID("other")))
    #expect(quotas.quota(of: acme) === quotas.quota(of: acme) && quotas.quota(of: acme) !== quotas.quota(of: other))
    var limits = QuotaLimits()
    limits.concurrentRequests = 3
    quotas.defaults = limits
    for tenant in [acme, other, .standard] { #expect(quotas.quota(of: tenant).limits == limits) }
  }
}
