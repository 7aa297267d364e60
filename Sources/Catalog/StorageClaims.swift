import Admission
import Inference
import Store
import Synchronization

/// Room that tenants' uploads take or will take: announced bytes, or those that have come. Any thread.
///
/// What is registered is counted by the database; an upload's claim is given back when its bytes are counted there.
final class StorageClaims: Sendable {
  private struct State: Sendable {
    /// By upload.
    var claims: [String: (tenant: TenantID, byteCount: Int)] = [:]
    var sums: [TenantID: Int] = [:]

    mutating func set(_ upload: String, _ tenant: TenantID, _ byteCount: Int?) {
      let former = claims[upload]?.byteCount ?? 0
      claims[upload] = byteCount.map { (tenant, $0) }
      let sum = (sums[tenant] ?? 0) - former + (byteCount ?? 0)
      sums[tenant] = sum == 0 ? nil : sum
    }
  }

  private let database: Database
  private let quotas: Quotas
  private let state = Mutex(State())

  init(_ database: Database, _ quotas: Quotas) {
    self.database = database
    self.quotas = quotas
  }

  /// Bytes that a tenant's uploads claim.
  func sum(of tenant: TenantID) -> Int { state.withLock { $0.sums[tenant] ?? 0 } }

  /// For what was there before the start, even where the limit is lower now.
  func restore(_ upload: String, of tenant: TenantID, byteCount: Int) {
    state.withLock { state in if state.claims[upload] == nil { state.set(upload, tenant, byteCount) } }
  }

  /// Claims room for an upload, or more than it has.
  ///
  /// - Throws: `.quotaExceeded`; its claim is as it was then.
  func claim(_ upload: String, of tenant: TenantID, byteCount: Int) async throws(HostError) {
    let former = state.withLock { state -> Int? in
      let former = state.claims[upload]?.byteCount
      if byteCount > former ?? -1 { state.set(upload, tenant, byteCount) }
      return former
    }
    let limit = quotas.quota(of: tenant).limits.storedBytes
    let wanted = byteCount - (former ?? 0)
    guard limit > 0, wanted > 0 else { return }
    do throws(HostError) {
      // Claimed before this is read: of two who come at once, both see both.
      let stored = try await database.read { (db) throws(HostError) in try db.stored(by: tenant) }
      let used = stored.byteCount + sum(of: tenant) - wanted
      guard used + wanted <= limit else { throw QuotaLimit.storedBytes.refusal(limit, used: used, wanted: wanted) }
    } catch {
      state.withLock { $0.set(upload, tenant, former) }
      throw error
    }
  }

  /// Sets what an upload claims to what it needs, if it still claims something.
  func settle(_ upload: String, byteCount: Int) {
    state.withLock { state in
      if let claim = state.claims[upload] { state.set(upload, claim.tenant, byteCount) }
    }
  }

  func release(_ upload: String) {
    state.withLock { state in
      if let claim = state.claims[upload] { state.set(upload, claim.tenant, nil) }
    }
  }
}

extension Connection {
  /// Of a tenant's versions and models, as triggers have counted them.
  func stored(by tenant: TenantID) throws(HostError) -> (byteCount: Int, modelCount: Int) {
    try first("SELECT byteCount, modelCount FROM stored WHERE tenant = ?", tenant) {
      (row) throws(HostError) -> (byteCount: Int, modelCount: Int) in (try row.value(0), try row.value(1))
    } ?? (0, 0)
  }
}
