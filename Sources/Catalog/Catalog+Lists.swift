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
      let rows = try db.all(
        Self.query(filter), filter.cursor ?? Int.max, tenant, filter.model, filter.stage?.rawValue, filter.format,
        filter.tag?.key, filter.tag?.value, filter.limit + 1
      ) { (row) throws(HostError) -> (id: Int, JSONValue) in
        (try row.value(0), try Self.version(row))
      }
      let page = rows.prefix(filter.limit)
      var members: [JSONValue.Member] = [.init("versions", .array(page.map(\.1)))]
      if rows.count > filter.limit, let last = page.last { members.append(.init("next", .string(String(last.id)))) }
      return .object(members)
    }
  }

  private static let versionColumns = """
    versions.id, models.name, label, stage, versions.createdMs, createdBy, format, byteCount, signature, metadata,
    \(Deprecation.columns)
    """

  /// Goes along the index of the narrowest filter from the cursor on, and looks at the others as it passes: the order of
  /// tables and the index are ours to say, as nothing is known to the planner of how much there is of what.
  static func query(_ filter: Filter) -> String {
    func condition(_ isGiven: Bool, _ text: String, _ parameters: String...) -> String {
      isGiven ? text : parameters.map { "\($0) IS NULL" }.joined(separator: " AND ")
    }
    let index =
      switch filter {
      case _ where filter.model != nil && filter.stage != nil: "versionsOfModelStage"
      case _ where filter.model != nil: "versionsOfModel"
      case _ where filter.stage != nil: "versionsOfStage"
      case _ where filter.format != nil: "versionsOfFormat"
      default: "versionsOfTenant"
      }
    let isByTag = filter.tag != nil && filter.model == nil
    let versions =
      isByTag
      ? "tags INDEXED BY versionsOfTag CROSS JOIN versions ON versions.id = tags.version"
      : "versions INDEXED BY \(index)"
    let model = "versions.model = (SELECT id FROM models WHERE tenant = ?2 AND name = ?3)"
    let tag = "tags.key = ?6 AND tags.value = ?7"
    let isTagged = "EXISTS (SELECT 1 FROM tags WHERE tags.version = versions.id AND \(tag))"
    let conditions = [
      isByTag ? "tags.version < ?1" : "versions.id < ?1", "versions.tenant = ?2",
      condition(filter.model != nil, model, "?3"), condition(filter.stage != nil, "stage = ?4", "?4"),
      condition(filter.format != nil, "format = ?5", "?5"),
      condition(filter.tag != nil, isByTag ? "tags.tenant = ?2 AND \(tag)" : isTagged, "?6", "?7"),
    ]
    return """
      SELECT \(versionColumns) FROM \(versions) CROSS JOIN models ON models.id = versions.model
        LEFT JOIN deprecations ON deprecations.version = versions.id
      WHERE \(conditions.joined(separator: " AND ")) ORDER BY \(isByTag ? "tags.version" : "versions.id") DESC LIMIT ?8
      """
  }

  /// One version with its files, tags, aliases and lineage.
  package func version(_ label: String, of model: String, tenant: TenantID) async throws(HostError) -> JSONValue {
    try await database.read { (db) throws(HostError) in
      let id = try db.modelID(model, tenant)
      let version = try db.version(label, of: model, id)
      let facts = try db.first(
        """
        SELECT \(Self.versionColumns) FROM versions JOIN models ON models.id = versions.model
          LEFT JOIN deprecations ON deprecations.version = versions.id
        WHERE versions.id = ?
        """, version.id
      ) { (row) throws(HostError) -> JSONValue in try Self.version(row) }
      let files = try db.all(
        """
        SELECT files.path, sha256, byteCount, uri FROM files
        LEFT JOIN origins ON origins.version = files.version AND origins.path = files.path AND NOT isUpload
        WHERE files.version = ?
        """, version.id
      ) { (row) throws(HostError) -> JSONValue in
        let uri = try row.value(3, as: String?.self)
        return .object(
          [
            .init("path", .string(try row.value(0, as: String.self))),
            .init("sha256", .string(try row.value(1, as: String.self))),
            .init("bytes", .integer(try row.value(2, as: Int.self))),
          ] + (uri.map { [.init("uri", .string($0))] } ?? []))
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
          .init("parents", .array(try db.parents(of: version.id))),
          .init("children", .array(try db.children(of: version, model, tenant))),
          .init("approvals", .array(try db.approvals(of: version.id).map(\.json))),
        ])
    }
  }

  private static func version(_ row: Row) throws(HostError) -> JSONValue {
    func text(_ index: Int) throws(HostError) -> JSONValue { .string(try row.value(index, as: String.self)) }
    func parsed(_ index: Int) throws(HostError) -> JSONValue {
      (try? JSONValue(parsing: try row.value(index, as: String.self))) ?? .null
    }
    var members: [JSONValue.Member] = [
      .init("model", try text(1)), .init("version", try text(2)), .init("stage", try text(3)),
      .init("createdMs", .integer(try row.value(4, as: Int.self))), .init("createdBy", try text(5)),
      .init("format", try text(6)), .init("bytes", .integer(try row.value(7, as: Int.self))),
      .init("signature", try parsed(8)), .init("metadata", try parsed(9)),
    ]
    if let deprecation = try Deprecation.read(row, at: 10) { members.append(.init("deprecation", deprecation.json)) }
    return .object(members)
  }

  /// A page of what has happened to a model, the newest first, and where the next page starts; of models that are gone,
  /// too.
  ///
  /// - Parameters:
  ///   - place: A stage or an alias; nil for all.
  ///   - atMs: Only the last event that had happened by then: what stood in `place` at that time.
  package func history(
    of model: String, tenant: TenantID, place: String?, atMs: Int?, cursor: Int? = nil, limit: Int
  ) async throws(HostError) -> JSONValue {
    let limit = atMs == nil ? limit : 1
    let events = try await database.read { (db) throws(HostError) in
      try db.all(
        """
        SELECT timeMs, action, place, version, replaced, caller, note, number FROM history
        WHERE tenant = ?1 AND model = ?2 AND \(place == nil ? "?3 IS NULL" : "place = ?3")
          AND (?4 IS NULL OR timeMs <= ?4 AND action NOT IN ('approve', 'unapprove')) AND number < ?5
        ORDER BY number DESC LIMIT ?6
        """, tenant, model, place, atMs, cursor ?? Int.max, limit + 1
      ) { (row) throws(HostError) -> (number: Int, JSONValue) in
        var members: [JSONValue.Member] = [
          .init("timeMs", .integer(try row.value(0, as: Int.self))),
          .init("action", .string(try row.value(1, as: String.self))),
        ]
        for (index, key) in [(2, "place"), (3, "version"), (4, "replaced")] {
          if let text = try row.value(index, as: String?.self) { members.append(.init(key, .string(text))) }
        }
        members.append(.init("caller", .string(try row.value(5, as: String.self))))
        if let note = try row.value(6, as: String?.self) { members.append(.init("note", .string(note))) }
        return (try row.value(7), .object(members))
      }
    }
    guard !events.isEmpty || atMs != nil || place != nil || cursor != nil else {
      throw HostError(.notFound, "model '\(model.excerpt)' has never been registered")
    }
    let page = events.prefix(limit)
    var members: [JSONValue.Member] = [.init("history", .array(page.map(\.1)))]
    if atMs == nil, events.count > limit, let last = page.last {
      members.append(.init("next", .string(String(last.number))))
    }
    return .object(members)
  }
}
