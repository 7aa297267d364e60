import Admission
package import Inference
import Store

/// What tenants may keep.
extension Catalog {
  package struct Kept: Sendable {
    /// Of registered versions and of uploads under way.
    package let byteCount: Int
    package let modelCount: Int
  }

  /// What a tenant keeps.
  package func kept(by tenant: TenantID) async throws(HostError) -> Kept {
    let stored = try await database.read { (db) throws(HostError) in try db.stored(by: tenant) }
    return Kept(byteCount: stored.byteCount + uploads.claims.sum(of: tenant), modelCount: stored.modelCount)
  }

  /// Refuses a further model early, before its bytes are read; the transaction decides.
  func checkRoom(_ wanted: Registration) async throws(HostError) {
    let limit = quotas.quota(of: wanted.tenant).limits.registeredModels
    guard limit > 0 else { return }
    try await database.read { (db) throws(HostError) in
      guard try db.modelIfThere(wanted.model, wanted.tenant) == nil else { return }
      let count = try db.stored(by: wanted.tenant).modelCount
      guard count < limit else { throw QuotaLimit.registeredModels.refusal(limit, used: count, wanted: 1) }
    }
  }

  /// In the transaction that has registered a version of `byteCount` bytes: throws where that was too much.
  func checkStored(_ tenant: TenantID, adding byteCount: Int, _ db: Connection) throws(HostError) {
    let limits = quotas.quota(of: tenant).limits
    let stored = try db.stored(by: tenant)
    if limits.registeredModels > 0, stored.modelCount > limits.registeredModels {
      throw QuotaLimit.registeredModels.refusal(limits.registeredModels, used: stored.modelCount - 1, wanted: 1)
    }
    if limits.storedBytes > 0, stored.byteCount > limits.storedBytes {
      throw QuotaLimit.storedBytes.refusal(
        limits.storedBytes, used: stored.byteCount - byteCount, wanted: byteCount)
    }
  }
}
