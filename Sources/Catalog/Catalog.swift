import Glibc
package import Inference
package import Routing
import Storage
package import Store
import Synchronization
import Telemetry

/// The registry: which models there are, in which versions, where these stand, and how that came about.
///
/// What a call has returned survives a crash: content is on the disk first, then one transaction names it. The folders
/// that the router reads are made from the database, and anew at each start.
///
///     DATA/content/sha256/…           what was uploaded, under its digest
///     DATA/uploads/ID                 what is being uploaded
///     DATA/models/TENANT/NAME/NUMBER  what is served: links to content
package final class Catalog: Sendable {
  package struct Options: Sendable {
    /// Bytes of one uploaded file at most.
    package var fileBytes = 256 << 30
    /// Uploads that nobody sends to are forgotten after this.
    package var uploadKeepMs = 86_400_000

    package init() {}
  }

  package let uploads: Uploads
  package let options: Options
  let database: Database
  let content: LocalFolder
  let router: Router
  let root: String
  let folder: ServedFolder
  /// Content that a registration under way relies on, by how many.
  private let held = Mutex<[SHA256Digest: Int]>([:])
  private let started = Atomic<Bool>(false)

  /// Where the router finds registered models.
  package static func modelRoot(data: String) -> String { "\(data)/models" }

  /// - Parameter data: The folder of everything that lasts, absolute; the database's, too.
  package init(data: String, _ database: Database, _ router: Router, options: Options = Options()) throws(HostError) {
    self.database = database
    self.router = router
    self.options = options
    root = Self.modelRoot(data: data)
    content = try LocalFolder("\(data)/content")
    try Files.makeFolder("\(data)/uploads")
    uploads = Uploads(database, folder: "\(data)/uploads")
    folder = ServedFolder(root: root, content: content)
  }

  /// Makes the folders of what is to be served, and clears away what a crash has left. Before the router starts.
  package func start() async throws(HostError) {
    let plans = try await database.read { (db) throws(HostError) in try ServingPlan.all(db) }
    try await folder.start(plans)
    await router.register(Dictionary(uniqueKeysWithValues: plans.map { ($0.key, $0.registered) }))
    try await uploads.expire(keepMs: options.uploadKeepMs)
    try await sweepContent()
    started.store(true, ordering: .releasing)
  }

  /// Whether `start` has returned: nothing else may be called before.
  package var isStarted: Bool { started.load(ordering: .acquiring) }

  // MARK: Content

  func hold(_ digest: SHA256Digest) { held.withLock { $0[digest, default: 0] += 1 } }

  /// Lets go of content; what nothing needs any more is deleted.
  func release(_ digests: [SHA256Digest]) async {
    held.withLock { held in
      for digest in digests {
        held[digest, default: 1] -= 1
        if held[digest] == 0 { held[digest] = nil }
      }
    }
    await delete(digests)
  }

  func delete(_ digests: [SHA256Digest]) async {
    do throws(HostError) {
      // One transaction: no other can name it between the look and the deletion.
      try await database.transaction { [content, self] (db) throws(HostError) in
        for digest in digests where held.withLock({ $0[digest] == nil }) {
          let isUsed = try db.first("SELECT 1 FROM files WHERE sha256 = ? LIMIT 1", digest.text) {
            (row) throws(HostError) -> Int in try row.value(0)
          }
          if isUsed == nil { try content.delete(ObjectKey(content: digest), StorageCall()) }
        }
      }
    } catch {
      Log.warning("content that nobody needs stays until the next start", ("reason", error.description))
    }
  }

  private func sweepContent() async throws(HostError) {
    let used = try await database.read { (db) throws(HostError) in
      try db.all("SELECT DISTINCT sha256 FROM files") { (row) throws(HostError) -> String in try row.value(0) }
    }
    let known = Set(used)
    var orphans: [SHA256Digest] = []
    try ContentStore(content).list(StorageCall()) { (digest, _) throws(HostError) in
      if !known.contains(digest.text) { orphans.append(digest) }
    }
    await delete(orphans)
  }
}
