import Admission
import Foundation
import Inference
import Manifests
import Routing
import Testing

@testable import Catalog
@testable import Store

/// A registry without runners, whose rows tests write.
final class CatalogFixture {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("catalog-\(UUID().uuidString)").path
  let database: Database
  let catalog: Catalog

  init() async throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    database = try Database(path: "\(folder)/test.db")
    catalog = try Catalog(
      data: folder, database,
      Router(
        manifests: ManifestSearch(hostFolder: folder, explicitPaths: [], environment: [:]).run(),
        options: Router.Options()))
    try await catalog.start()
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  func subject(_ model: String, role: Role = .admin, tenant: TenantID = .standard) -> Subject {
    Subject(tenant: tenant, caller: Author("tester", origin: "", requestID: ""), role: role, model: model)
  }

  /// Registers versions 1 to `count` of a model; every tenth is archived, formats and tags alternate.
  func add(_ model: String, count: Int, tenant: TenantID = .standard) async throws {
    try await database.transaction { (db) throws(HostError) in
      try db.run("INSERT INTO tenants VALUES (?, 0) ON CONFLICT DO NOTHING", tenant.text)
      try db.run("INSERT INTO models (tenant, name, createdMs, settings) VALUES (?, ?, 0, '{}')", tenant, model)
      let id = db.lastRowID
      for number in 1...count {
        try db.run(
          """
          INSERT INTO versions
            (tenant, model, label, number, stage, createdMs, createdBy, format, byteCount, signature, metadata)
          VALUES (?, ?, ?, ?, ?, ?, 'tester', ?, 10, '{"runner":"none"}', '{}')
          """, tenant, id, String(number), number, number % 10 == 0 ? "archived" : "development", number,
          number % 2 == 0 ? "onnx" : "tflite")
        try db.run(
          "INSERT INTO tags (version, key, value, tenant) VALUES (?, 'third', ?, ?)", db.lastRowID,
          String(number % 3), tenant)
      }
    }
  }
}
