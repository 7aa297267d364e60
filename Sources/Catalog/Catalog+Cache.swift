import Glibc
import Inference
import Storage
import Store
import Synchronization
import Telemetry

/// Content that storage has stays on this machine up to a limit: what isn't served goes, longest unused first, and comes
/// back when it is to be served.
extension Catalog {
  /// Calls `body` while the content of all that is to be served is here.
  func withContent<Value: Sendable>(
    of plan: ServingPlan, _ body: () async throws(HostError) -> Value
  ) async throws(HostError) -> Value {
    let digests = plan.versions.values.joined().compactMap { SHA256Digest($0.sha256) }
    do throws(HostError) {
      let missing = try await queue.blocking { () throws(HostError) in
        for digest in digests { hold(digest) }
        return digests.filter { !isHere($0) }
      }
      for digest in missing { try await bringBack(digest, model: plan.name, tenant: plan.tenant) }
      let value = try await body()
      await release(digests)
      return value
    } catch {
      await release(digests)
      throw error
    }
  }

  func isHere(_ digest: SHA256Digest) -> Bool {
    content.localPath(of: ObjectKey(content: digest)).map { access($0, F_OK) == 0 } ?? false
  }

  /// Fetches content anew; does nothing where nobody knows from where.
  private func bringBack(_ digest: SHA256Digest, model: String, tenant: TenantID) async throws(HostError) {
    let origin = try await database.read { (db) throws(HostError) in
      try db.first(
        """
        SELECT origins.uri, files.path, files.byteCount, isUpload FROM files JOIN origins USING (version, path)
        JOIN versions ON versions.id = files.version JOIN models ON models.id = versions.model
        WHERE sha256 = ? AND models.tenant = ? ORDER BY isUpload AND uri <> ? LIMIT 1
        """, digest.text, tenant, uploadStore?.place.uri(of: digest) ?? ""
      ) { (row) throws(HostError) -> Origin in
        Origin(
          uri: try row.value(0), path: try row.value(1), byteCount: try row.value(2),
          isUpload: try row.value(3, as: Int.self) == 1)
      }
    }
    guard let origin else { return }
    try await queue.blocking { () throws(HostError) in
      do throws(HostError) {
        let (source, key) = try open(origin, digest, tenant)
        let file = RemoteFiles.File(key: key, path: origin.path, uri: origin.uri)
        let expected = Expectation(byteCount: origin.byteCount, digest: digest)
        // The caller holds it already.
        var held: [SHA256Digest] = []
        _ = try fetch(file, from: source, expected, Fetch()) { held.append($0) }
        for digest in held { letGo(digest) }
      } catch {
        throw HostError(error.code, "model '\(model)' can't be fetched again: \(error.description)")
      }
    }
    Log.info("fetched a model's file again", ("model", model), ("uri", origin.uri))
  }

  private struct Origin {
    let uri: String
    let path: String
    let byteCount: Int
    let isUpload: Bool
  }

  private func open(
    _ origin: Origin, _ digest: SHA256Digest, _ tenant: TenantID
  ) throws(HostError) -> (any ObjectSource, ObjectKey) {
    guard origin.isUpload else {
      let place = try sources.find(origin.uri, tenant: tenant)
      return (try place.open(), try ObjectKey(place.path))
    }
    guard let place = uploadStore?.place, place.uri(of: digest) == origin.uri else {
      throw HostError(
        .storageRefused,
        "it was kept as \(origin.uri), and storage.uploads is \(uploadStore?.place.prefix ?? "not set")")
    }
    return (try place.open().store, ObjectKey(content: digest))
  }

  /// Deletes content that isn't served and could be fetched again, until the rest fits the limit.
  func trimCache() async {
    let limit = options.fetching.cacheBytes
    guard limit > 0, fetchedBytes.load(ordering: .relaxed) > limit else { return }
    do throws(HostError) {
      // One transaction: no version can come to need it between the look and the deletion.
      let evicted = try await database.transaction { (db) throws(HostError) in
        let former = fetchedBytes.load(ordering: .relaxed)
        let fetched = try db.all(
          """
          SELECT sha256, max(byteCount), count(*) = count(uri) FROM files LEFT JOIN (
            SELECT * FROM origins WHERE NOT isUpload OR substr(uri, 1, length(?1)) = ?1
          ) USING (version, path) GROUP BY sha256 HAVING count(uri) > 0
          """, uploadStore?.place.prefix ?? "-"
        ) { (row) throws(HostError) -> Fetched? in
          guard let digest = SHA256Digest(try row.value(0, as: String.self)) else { return nil }
          return Fetched(
            digest: digest, byteCount: try row.value(1), isOnlyFetched: try row.value(2, as: Int.self) == 1)
        }.compactMap { $0 }.filter { isHere($0.digest) }
        // What is fetched meanwhile counts twice, rather than not at all.
        fetchedBytes.add(fetched.reduce(0) { $0 + $1.byteCount } - former, ordering: .relaxed)
        var cached = fetched.filter(\.isOnlyFetched)
        var byteCount = cached.reduce(0) { $0 + $1.byteCount }
        guard byteCount > limit else { return 0 }
        let served = Set(try ServingPlan.all(db).flatMap { $0.versions.values.joined().map(\.sha256) })
        cached = cached.filter { !served.contains($0.digest.text) }
        let lastUses = Dictionary(uniqueKeysWithValues: cached.map { ($0.digest, lastUse($0.digest)) })
        cached.sort { lastUses[$0.digest] ?? 0 < lastUses[$1.digest] ?? 0 }
        var count = 0
        for each in cached where byteCount > limit {
          guard try deleteUnlessHeld(each.digest) else { continue }
          byteCount -= each.byteCount
          fetchedBytes.add(-each.byteCount, ordering: .relaxed)
          count += 1
        }
        return count
      }
      if evicted > 0 { Log.info("removed content that can be fetched again", ("files", String(evicted))) }
    } catch {
      Log.warning("fetched content stays over its limit", ("reason", error.description))
    }
  }

  private struct Fetched {
    let digest: SHA256Digest
    let byteCount: Int
    /// No version has it by an upload that stays here.
    let isOnlyFetched: Bool
  }

  /// In nanoseconds. Of access, which is set when a version isn't served any more; models' formats go by modification.
  private func lastUse(_ digest: SHA256Digest) -> Int {
    var status = stat()
    guard let path = content.localPath(of: ObjectKey(content: digest)), stat(path, &status) == 0 else { return 0 }
    return status.st_atim.tv_sec * 1_000_000_000 + status.st_atim.tv_nsec
  }

  /// Plans of what can be served at once; what has to be fetched first is left to `resume`.
  func ready(_ plans: [ServingPlan]) -> [ServingPlan] {
    plans.map { plan in
      let present = plan.versions.filter { version in
        version.value.allSatisfy { file in SHA256Digest(file.sha256).map { isHere($0) } ?? false }
      }
      return present.count == plan.versions.count
        ? plan
        : ServingPlan(
          tenant: plan.tenant, name: plan.name, revision: plan.revision, settings: plan.settings,
          registered: plan.registered,
          versions: present)
    }
  }
}
