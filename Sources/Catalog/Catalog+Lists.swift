package import Inference
import Store
package import Wire

/// What is registered, as JSON for clients.
extension Catalog {
  package struct Filter: Sendable {
    package var model: String?
    package var stage: Stage?
    package var format: String?
    /// KEY=VALUE.
    package var tag: (key: String, value: String)?
    /// What an earlier page ended with: versions that came before it follow.
    package var cursor: Int?
    package var limit = 100

    package init() {}
  }

  package static let maxPage = 1000

  /// A page of versions, the last registered first, and where the next page starts.
  package func versions(tenant: TenantID, _ filter: Filter) async throws(HostError) -> JSONValue {
    try await database.read { (db) throws(HostError) in
      var conditions = ["versions.id < ?1", "models.tenant = ?2", "(?3 IS NULL OR models.name = ?3)"]
      if filter.model != nil {
        conditions.append("versions.model = (SELECT id FROM models WHERE tenant = ?2 AND name = ?3)")
      }
      conditions.append("(?4 IS NULL OR stage = ?4) AND (?5 IS NULL OR format = ?5)")
      let byTag = "versions.id IN (SELECT version FROM tags WHERE key = ?6 AND value = ?7)"
      conditions.append(filter.tag == nil ? "?6 IS NULL AND ?7 IS NULL" : byTag)
      let rows = try db.all(
        """
        SELECT versions.id, models.name, label, stage, versions.createdMs, createdBy, format, byteCount, signature,
          metadata
        FROM versions JOIN models ON models.id = versions.model
        WHERE \(conditions.joined(separator: " AND ")) ORDER BY versions.id DESC LIMIT ?8
        """, filter.cursor ?? Int.max, tenant, filter.model, filter.stage?.rawValue, filter.format, filter.tag?.key,
        filter.tag?.value, filter.limit + 1
      ) { (row) throws(HostError) -> (id: Int, JSONValue) in
        (try row.value(0), try Self.version(row))
      }
      let page = rows.prefix(filter.limit)
      var members: [JSONValue.Member] = [.init("versions", .array(page.map(\.1)))]
      if rows.count > filter.limit, let last = page.last { members.append(.init("next", .string(String(last.id)))) }
      return .object(members)
    }
  }

  /// One version with its files and tags.
  package func version(_ label: String, of model: String, tenant: TenantID) async throws(HostError) -> JSONValue {
    try await database.read { (db) throws(HostError) in
      let id = try db.modelID(model, tenant)
      let version = try db.version(label, of: model, id)
      let facts = try db.first(
        """
        SELECT versions.id, models.name, label, stage, versions.createdMs, createdBy, format, byteCount, signature,
          metadata
        FROM versions JOIN models ON models.id = versions.model WHERE versions.id = ?
        """, version.id
      ) { (row) throws(HostError) -> JSONValue in try Self.version(row) }
      let files = try db.all("SELECT path, sha256, byteCount FROM files WHERE version = ?", version.id) {
        (row) throws(HostError) -> JSONValue in
        [
          "path": .string(try row.value(0, as: String.self)), "sha256": .string(try row.value(1, as: String.self)),
          "bytes": .integer(try row.value(2, as: Int.self)),
        ]
      }
      let tags = try db.all("SELECT key, value FROM tags WHERE version = ?", version.id) {
        (row) throws(HostError) -> JSONValue.Member in
        .init(try row.value(0, as: String.self), .string(try row.value(1, as: String.self)))
      }
      let aliases = try db.all("SELECT alias FROM aliases WHERE version = ?", version.id) {
        (row) throws(HostError) -> JSONValue in .string(try row.value(0, as: String.self))
      }
      return .object(
        (facts?.members ?? []) + [
          .init("aliases", .array(aliases)), .init("tags", .object(tags)), .init("files", .array(files)),
        ])
    }
  }

  private static func version(_ row: Row) throws(HostError) -> JSONValue {
    func text(_ index: Int) throws(HostError) -> JSONValue { .string(try row.value(index, as: String.self)) }
    func parsed(_ index: Int) throws(HostError) -> JSONValue {
      (try? JSONValue(parsing: try row.value(index, as: String.self))) ?? .null
    }
    return [
      "model": try text(1), "version": try text(2), "stage": try text(3),
      "createdMs": .integer(try row.value(4, as: Int.self)), "createdBy": try text(5), "format": try text(6),
      "bytes": .integer(try row.value(7, as: Int.self)), "signature": try parsed(8), "metadata": try parsed(9),
    ]
  }

  /// What has happened to a model, the newest first; of models that are gone, too.
  ///
  /// - Parameters:
  ///   - place: A stage or an alias; nil for all.
  ///   - atMs: Only the last event that had happened by then: what stood in `place` at that time.
  package func history(
    of model: String, tenant: TenantID, place: String?, atMs: Int?, limit: Int
  ) async throws(HostError) -> JSONValue {
    let events = try await database.read { (db) throws(HostError) in
      try db.all(
        """
        SELECT timeMs, action, place, version, replaced, caller FROM history
        WHERE tenant = ?1 AND model = ?2 AND (?3 IS NULL OR place = ?3) AND (?4 IS NULL OR timeMs <= ?4)
        ORDER BY number DESC LIMIT ?5
        """, tenant, model, place, atMs, atMs == nil ? limit : 1
      ) { (row) throws(HostError) -> JSONValue in
        var members: [JSONValue.Member] = [
          .init("timeMs", .integer(try row.value(0, as: Int.self))),
          .init("action", .string(try row.value(1, as: String.self))),
        ]
        for (index, key) in [(2, "place"), (3, "version"), (4, "replaced")] {
          if let text = try row.value(index, as: String?.self) { members.append(.init(key, .string(text))) }
        }
        members.append(.init("caller", .string(try row.value(5, as: String.self))))
        return .object(members)
      }
    }
    guard !events.isEmpty || atMs != nil || place != nil else {
      throw HostError(.notFound, "model '\(model.excerpt)' has never been registered")
    }
    return ["history": .array(events)]
  }
}
