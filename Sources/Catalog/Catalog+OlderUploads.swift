import Inference
import Storage
import Store
import Synchronization
import Telemetry

/// Uploads that were registered while they were kept nowhere else, or at another place.
extension Catalog {
  /// Puts them into storage, one after the other; what can't be is tried again at the next start.
  func keepOlderUploads() async {
    guard let uploadStore else { return }
    do throws(HostError) {
      let older = try await database.read { (db) throws(HostError) in
        try db.all(
          """
          SELECT DISTINCT sha256 FROM files LEFT JOIN origins USING (version, path)
          WHERE uri IS NULL OR isUpload AND substr(uri, 1, length(?1)) <> ?1
          """, uploadStore.place.prefix
        ) { (row) throws(HostError) -> SHA256Digest? in SHA256Digest(try row.value(0, as: String.self)) }
        .compactMap { $0 }
      }
      var count = 0
      for digest in older where try await keepOlder(digest, uploadStore) { count += 1 }
      if count > 0 { Log.info("put earlier uploads into storage", ("files", String(count))) }
    } catch {
      Log.warning("earlier uploads are on this machine alone", ("reason", error.description))
    }
  }

  /// - Returns: False where nobody has it any more, or it isn't here.
  private func keepOlder(_ digest: SHA256Digest, _ uploadStore: UploadStore) async throws(HostError) -> Bool {
    hold(digest)
    do throws(HostError) {
      guard try await queue.blocking({ () throws(HostError) in isHere(digest) }) else {
        letGo(digest)
        return false
      }
      try await put(digest, uploadStore)
      let uri = uploadStore.place.uri(of: digest)
      let isNamed = try await database.transaction { (db) throws(HostError) in
        let count = try db.run(
          """
          INSERT INTO origins (version, path, uri, isUpload) SELECT version, path, ?, 1 FROM files WHERE sha256 = ?
          ON CONFLICT DO UPDATE SET uri = excluded.uri WHERE isUpload
          """, uri, digest.text, doing: "noting where an upload is kept")
        if count > 0 { try db.run("DELETE FROM looseObjects WHERE uri = ?", uri) }
        return count > 0
      }
      // Counted anew: more of what is here can go now.
      fetchedBytes.store(1 << 60, ordering: .relaxed)
      await release([digest])
      return isNamed
    } catch {
      await release([digest])
      throw error
    }
  }
}
