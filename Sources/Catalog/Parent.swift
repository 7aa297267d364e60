import Inference
import Storage
import Store
import Wire

/// What a version was made from. Words: whatever becomes of the parent, its children keep saying so.
package enum Parent: Sendable, Equatable {
  /// Of the same tenant, registered when its child is.
  case version(model: String, label: String)
  /// SHA-256 of a file, registered or not: 64 lower-case hexadecimal digits.
  case content(String)

  private static let limit = 32

  /// As requests and jobs say it.
  var json: JSONValue {
    switch self {
    case .version(let model, let label): ["model": .string(model), "version": .string(label)]
    case .content(let digest): ["sha256": .string(digest)]
    }
  }

  /// Those of a job, which were checked when it began.
  static func all(_ list: JSONValue?) -> [Parent] {
    (list?.array ?? []).map { parent in
      if let digest = parent["sha256"]?.string { return .content(digest) }
      return .version(model: parent["model"]?.string ?? "", label: parent["version"]?.string ?? "")
    }
  }

  static func check(_ parents: [Parent]) throws(HostError) {
    guard parents.count <= limit else {
      throw HostError(.invalidRequest, "a version has at most \(limit) parents, not \(parents.count)")
    }
    for case .content(let text) in parents where SHA256Digest(text) == nil {
      throw HostError(
        .invalidRequest, "a parent's 'sha256' must be 64 lower-case hexadecimal digits, not '\(text.excerpt)'")
    }
  }
}

extension Connection {
  /// Versions shown of those that were made from one.
  private static let childLimit = 100

  /// - Throws: `.notFound` for a parent that isn't registered.
  func check(_ parents: [Parent], _ tenant: TenantID) throws(HostError) {
    for case .version(let model, let label) in parents {
      _ = try version(label, of: model, try modelID(model, tenant))
    }
  }

  func add(_ parents: [Parent], of version: Int, _ tenant: TenantID) throws(HostError) {
    for (position, parent) in parents.enumerated() {
      let (model, label, digest): (String?, String?, String?) =
        switch parent {
        case .version(let model, let label): (model, label, nil)
        case .content(let digest): (nil, nil, digest)
        }
      try run(
        "INSERT INTO parents VALUES (?, ?, ?, ?, ?, ?)", version, position, tenant, model, label, digest,
        doing: "registering what a version was made from")
    }
  }

  func parents(of version: Int) throws(HostError) -> [JSONValue] {
    try all("SELECT model, label, sha256 FROM parents WHERE version = ? ORDER BY position", version) {
      (row) throws(HostError) -> JSONValue in
      if let digest = try row.value(2, as: String?.self) { return ["sha256": .string(digest)] }
      return [
        "model": .string(try row.value(0, as: String.self)), "version": .string(try row.value(1, as: String.self)),
      ]
    }
  }

  /// Versions that name this one, or a file of it; the last registered first.
  func children(of version: Version, _ model: String, _ tenant: TenantID) throws(HostError) -> [JSONValue] {
    try all(
      """
      SELECT models.name, versions.label FROM versions JOIN models ON models.id = versions.model
      WHERE versions.id IN (
        SELECT version FROM parents WHERE tenant = ?1 AND model = ?2 AND label = ?3
        UNION
        SELECT parents.version FROM files JOIN parents ON parents.sha256 = files.sha256 AND parents.tenant = ?1
        WHERE files.version = ?4)
      ORDER BY versions.id DESC LIMIT \(Self.childLimit)
      """, tenant, model, version.label, version.id
    ) { (row) throws(HostError) -> JSONValue in
      [
        "model": .string(try row.value(0, as: String.self)), "version": .string(try row.value(1, as: String.self)),
      ]
    }
  }
}
