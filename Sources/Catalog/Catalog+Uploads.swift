import Inference
import Storage
import Store
import Synchronization
import Telemetry

/// Uploaded content in storage: there before the transaction that names it, and gone after the last that does.
///
/// What is put there is noted as loose first, and is so until a version names it: what a crash or a refusal has left is
/// found by its note.
extension Catalog {
  /// Puts content of uploads into storage, where the operator wants that.
  func keep(_ stored: [StoredFile], of model: String) async throws(HostError) {
    guard let uploadStore else { return }
    for file in stored where file.isUpload {
      do throws(HostError) {
        try await put(file.digest, uploadStore)
      } catch {
        throw HostError(
          error.code, "model '\(model)' is not registered, its files can't be kept in storage: \(error.description)")
      }
    }
  }

  /// Content that somebody holds.
  func put(_ digest: SHA256Digest, _ uploadStore: UploadStore) async throws(HostError) {
    guard let path = content.localPath(of: ObjectKey(content: digest)) else { return }
    try await uploadStore.inTurn(digest) { () async throws(HostError) in
      try await database.transaction { (db) throws(HostError) in
        try db.run(
          "INSERT INTO looseObjects VALUES (?, ?) ON CONFLICT DO NOTHING", uploadStore.place.uri(of: digest),
          digest.text, doing: "noting an object")
      }
      try await uploadStore.put(path, digest)
    }
  }

  /// In the transaction that registers a version: its uploads can be fetched from storage.
  func nameUploads(_ stored: [StoredFile], version: Int, _ db: Connection) throws(HostError) {
    guard let place = uploadStore?.place else { return }
    for file in stored where file.isUpload {
      let uri = place.uri(of: file.digest)
      try db.run(
        "INSERT INTO origins (version, path, uri, isUpload) VALUES (?, ?, ?, 1)", version, file.path, uri,
        doing: "registering files")
      try db.run("DELETE FROM looseObjects WHERE uri = ?", uri)
      // What can be fetched counts for the cache.
      fetchedBytes.add(file.byteCount, ordering: .relaxed)
    }
  }

  /// In the transaction that purges a version, before its rows go.
  func loosenUploads(version: Int, _ db: Connection) throws(HostError) {
    try db.run(
      """
      INSERT INTO looseObjects SELECT uri, sha256 FROM origins JOIN files USING (version, path)
      WHERE version = ? AND isUpload ON CONFLICT DO NOTHING
      """, version, doing: "noting objects")
  }

  /// Has objects deleted soon that no version needs; what can't be is tried again later, and at the next start.
  func cleanStorage() async {
    await uploadStore?.clean { [weak self] in await self?.deleteLooseObjects() }
  }

  private func deleteLooseObjects() async {
    guard let uploadStore else { return }
    do throws(HostError) {
      let loose = try await database.read { (db) throws(HostError) in
        try db.all("SELECT sha256, uri FROM looseObjects") { (row) throws(HostError) -> SHA256Digest? in
          // What was put elsewhere before storage.uploads was changed stays there.
          let digest = SHA256Digest(try row.value(0, as: String.self))
          return try digest.map(uploadStore.place.uri) == row.value(1) ? digest : nil
        }.compactMap { $0 }
      }
      var refusal: HostError?
      for digest in loose {
        do throws(HostError) {
          try await uploadStore.inTurn(digest) { () async throws(HostError) in
            try await deleteObject(digest, uploadStore)
          }
        } catch {
          guard error.code != .overloaded else { throw error }
          // One that the bucket retains doesn't keep the others.
          refusal = error
        }
      }
      if let refusal { throw refusal }
    } catch {
      Log.warning("objects that no version needs are still in storage", ("reason", error.description))
    }
  }

  /// In the object's turn: who comes to need it afterwards looks whether it is there.
  private func deleteObject(_ digest: SHA256Digest, _ uploadStore: UploadStore) async throws(HostError) {
    // A registration under way has seen it there.
    guard !isHeld(digest) else { return }
    let uri = uploadStore.place.uri(of: digest)
    let isNamed = try await database.read { (db) throws(HostError) in
      try db.first(
        "SELECT 1 FROM files JOIN origins USING (version, path) WHERE sha256 = ? AND uri = ? AND isUpload LIMIT 1",
        digest.text, uri
      ) { (row) throws(HostError) -> Int in try row.value(0) } != nil
    }
    if !isNamed { try await uploadStore.delete(digest) }
    try await database.transaction { (db) throws(HostError) in
      try db.run("DELETE FROM looseObjects WHERE uri = ?", uri, doing: "forgetting an object")
    }
  }
}
