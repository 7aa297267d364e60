package import Admission
import Glibc
package import Inference
package import Routing
import Storage
package import Store
import Synchronization
import Telemetry
import Threads

/// The registry: which models there are, in which versions, where these stand, and how that came about.
///
/// What a call has returned survives a crash: content is on the disk first, then one transaction names it. The folders
/// that the router reads are made from the database, and anew at each start.
///
///     DATA/content/sha256/…           what was uploaded, under its digest
///     DATA/uploads/ID                 what is being uploaded
///     DATA/fetches/ID                 what is being fetched
///     DATA/models/TENANT/NAME/NUMBER  what is served: links to content
package final class Catalog: Sendable {
  package struct Options: Sendable {
    /// Bytes of one uploaded file at most.
    package var fileBytes = 256 << 30
    /// Uploads that nobody sends to are forgotten after this.
    package var uploadKeepMs = 86_400_000
    /// Uploads of one tenant that are under way at most.
    package var maxUploads = 1000
    package var fetching = FetchOptions()

    package init() {}
  }

  package let uploads: Uploads
  package let options: Options
  let database: Database
  let content: LocalFolder
  let router: Router
  let quotas: Quotas
  let root: String
  /// What is being fetched; nothing in it outlives the host.
  let fetches: String
  let folder: ServedFolder
  /// Where promotions are looked into; each costs up to two models in memory, one after the other.
  let gateThreads = RunThreads(name: "gates", limit: 2)
  let sources: StorageSources
  /// Nil where uploads stay on this machine alone.
  let uploadStore: UploadStore?
  let queue: FetchQueue
  package let jobCounts = JobCounts()
  /// Content that a registration under way relies on, by how many.
  private let held = Mutex<[SHA256Digest: Int]>([:])
  /// Models some of whose content has to be fetched before they are served whole.
  let incomplete = Mutex<[ServingPlan]>([])
  /// Of all content that could be fetched again, or more; not known before somebody has looked.
  let fetchedBytes = Atomic<Int>(1 << 60)
  private let started = Atomic<Bool>(false)

  deinit { gateThreads.end() }

  /// Where the router finds registered models.
  package static func modelRoot(data: String) -> String { "\(data)/models" }

  /// - Parameter data: The folder of everything that lasts, absolute; the database's, too.
  package init(
    data: String, _ database: Database, _ router: Router, options: Options = Options(),
    quotas: Quotas = Quotas()
  ) throws(HostError) {
    self.database = database
    self.router = router
    self.quotas = quotas
    self.options = options
    root = Self.modelRoot(data: data)
    content = try LocalFolder("\(data)/content")
    try Files.makeFolder("\(data)/uploads")
    uploads = Uploads(database, folder: "\(data)/uploads", StorageClaims(database, quotas))
    folder = ServedFolder(root: root, content: content)
    let (sources, environment) = (options.fetching.sources ?? [], options.fetching.environment)
    self.sources = try StorageSources(sources, environment: environment)
    uploadStore =
      if let uploads = options.fetching.uploads {
        UploadStore(try UploadPlace(uploads, apartFrom: data, self.sources, environment: environment))
      } else { nil }
    queue = FetchQueue(limit: options.fetching.maxJobs)
    fetches = "\(data)/fetches"
  }

  /// Makes the folders of what is to be served, and clears away what a crash has left. Before the router starts.
  package func start() async throws(HostError) {
    Files.remove(fetches)
    try Files.makeFolder(fetches)
    let plans = try await database.read { (db) throws(HostError) in try ServingPlan.all(db) }
    let ready = try await queue.blocking { () throws(HostError) -> [ServingPlan] in self.ready(plans) }
    let incomplete = zip(plans, ready).filter { $0.versions.count != $1.versions.count }.map(\.0)
    self.incomplete.withLock { $0 = incomplete }
    try await folder.start(ready)
    await router.register(Dictionary(uniqueKeysWithValues: plans.map { ($0.key, $0.registered) }))
    try await uploads.expire(keepMs: options.uploadKeepMs)
    try await sweepContent()
    started.store(true, ordering: .releasing)
  }

  /// Forgets uploads as they expire, until its task is cancelled. After `start`.
  package func keepTidy() async {
    async let _ = keepOlderUploads()
    // Late by a quarter of their time, and by a minute at most.
    let pauseMs = min(max(options.uploadKeepMs / 4, 100), 60_000)
    while (try? await Task.sleep(for: .milliseconds(pauseMs))) != nil {
      do throws(HostError) {
        try await uploads.expire(keepMs: options.uploadKeepMs)
        await cleanStorage()
      } catch {
        Log.warning("can't forget uploads that have expired", ("reason", error.description))
      }
    }
  }

  /// Whether `start` has returned: nothing else may be called before.
  package var isStarted: Bool { started.load(ordering: .acquiring) }

  // MARK: Content

  func hold(_ digest: SHA256Digest) { held.withLock { $0[digest, default: 0] += 1 } }

  func isHeld(_ digest: SHA256Digest) -> Bool { held.withLock { $0[digest] != nil } }

  /// Lets go of content; what nothing needs any more is deleted.
  func release(_ digests: [SHA256Digest]) async {
    for digest in digests { letGo(digest) }
    await delete(digests)
  }

  /// Lets go of content that others need or hold.
  func letGo(_ digest: SHA256Digest) {
    held.withLock { held in
      held[digest, default: 1] -= 1
      if held[digest] == 0 { held[digest] = nil }
    }
  }

  /// In one step: whoever holds it afterwards knows that it isn't there.
  ///
  /// - Returns: Whether it is gone.
  func deleteUnlessHeld(_ digest: SHA256Digest) throws(HostError) -> Bool {
    try held.withLock { (held) throws(HostError) in
      guard held[digest] == nil else { return false }
      try content.delete(ObjectKey(content: digest), StorageCall())
      return true
    }
  }

  func delete(_ digests: [SHA256Digest]) async {
    do throws(HostError) {
      // One transaction: no other can name it between the look and the deletion.
      try await database.transaction { (db) throws(HostError) in
        for digest in digests {
          let isUsed = try db.first("SELECT 1 FROM files WHERE sha256 = ? LIMIT 1", digest.text) {
            (row) throws(HostError) -> Int in try row.value(0)
          }
          if isUsed == nil { _ = try deleteUnlessHeld(digest) }
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
