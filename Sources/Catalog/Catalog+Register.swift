package import Inference
import Registry
import Routing
import Storage
package import Store
import Telemetry
package import Wire

/// A version that somebody wants to have registered.
package struct Registration: Sendable {
  package struct File: Sendable {
    /// In the version's folder, as `model.onnx` or `saved_model/variables/variables.index`.
    package let path: String
    /// The upload that has its bytes; nil where they have been fetched.
    let upload: String?
    let fetched: FetchedContent?

    package init(path: String, upload: String) {
      self.path = path
      self.upload = upload
      fetched = nil
    }

    init(path: String, fetched: FetchedContent) {
      self.path = path
      upload = nil
      self.fetched = fetched
    }
  }

  package let tenant: TenantID
  /// Who registers it, for the history.
  package let caller: Author
  package let model: String
  /// Nil for the number after the highest.
  package let label: String?
  package let files: [File]
  /// What the model's `model.json` says from its first version on; nil for nothing.
  package let settings: JSONValue?
  package let tags: [String: String]
  package let metadata: JSONValue?
  /// What it was made from.
  package let parents: [Parent]
  /// The job that registers it; it is done in the same transaction.
  let job: String?

  package init(
    tenant: TenantID, caller: Author, model: String, label: String?, files: [File], settings: JSONValue? = nil,
    tags: [String: String] = [:], metadata: JSONValue? = nil, parents: [Parent] = [], job: String? = nil
  ) {
    self.tenant = tenant
    self.caller = caller
    self.model = model
    self.label = label
    self.files = files
    self.settings = settings
    self.tags = tags
    self.metadata = metadata
    self.parents = parents
    self.job = job
  }
}

extension Catalog {
  static let maxFiles = 1000
  private static let maxTags = 100
  /// Of a tag's key and value together.
  private static let maxTagBytes = 1024
  /// A page of a thousand versions brings as many.
  private static let maxMetadataBytes = 16 * 1024

  /// A version's file whose content is here.
  struct StoredFile: Sendable {
    let path: String
    let digest: SHA256Digest
    let byteCount: Int
    /// Not fetched.
    let isUpload: Bool
  }

  /// Registers a version once a runner has loaded it; nothing is left of one that none could load.
  ///
  /// - Returns: Its label. It is registered for good then, though its model may have another version that serves.
  package func register(_ wanted: Registration) async throws(HostError) -> String {
    try check(wanted)
    try checkFiles(wanted)
    // Here, so that a large upload isn't read for nothing; the transaction decides.
    try await checkFree(wanted)
    try await checkRoom(wanted)
    try await database.read { (db) throws(HostError) in try db.check(wanted.parents, wanted.tenant) }
    guard await !router.hasOwnModel(ModelKey.text(wanted.tenant, wanted.model)) else {
      throw Self.nameIsTaken(wanted.model)
    }
    var stored: [StoredFile] = []
    do throws(HostError) {
      for file in wanted.files {
        if let fetched = file.fetched {
          hold(fetched.digest)
          stored.append(
            StoredFile(path: file.path, digest: fetched.digest, byteCount: fetched.byteCount, isUpload: false))
        }
        guard let id = file.upload else { continue }
        let upload = try await uploads.find(id, tenant: wanted.tenant)
        let (digest, byteCount) = try await upload.adopt(into: content, holding: hold)
        stored.append(StoredFile(path: file.path, digest: digest, byteCount: byteCount, isUpload: true))
      }
      let found = try await introspect(wanted, stored)
      try await keep(stored, of: wanted.model)
      let label = try await insert(wanted, stored, found)
      uploads.forget(wanted.files.compactMap(\.upload))
      await release(stored.map(\.digest))
      Log.info("registered a model", ("model", wanted.model), ("version", label), ("runner", found.runner))
      try await serve(wanted.model, tenant: wanted.tenant)
      return label
    } catch {
      await release(stored.map(\.digest))
      await cleanStorage()
      throw error
    }
  }

  private func introspect(_ wanted: Registration, _ stored: [StoredFile]) async throws(HostError) -> Introspection {
    let files = stored.map { ServingPlan.File(path: $0.path, sha256: $0.digest.text) }
    let candidate = try await folder.candidate(wanted.model, settings: wanted.settings?.text ?? "{}", files)
    do throws(HostError) {
      let found = try await router.introspect(wanted.model, of: wanted.tenant, in: candidate)
      await folder.removeCandidate(candidate)
      return found
    } catch {
      await folder.removeCandidate(candidate)
      // Runners that are away may take it later; everything else is the model's own.
      guard error.code != .overloaded, !error.isOverMemoryBudget else { throw error }
      throw HostError(.unsupported, "model '\(wanted.model)' is not registered: \(error.description)")
    }
  }

  private func insert(
    _ wanted: Registration, _ stored: [StoredFile], _ found: Introspection
  ) async throws(HostError) -> String {
    let signature: JSONValue = [
      "runner": .string(found.runner), "inputs": Self.specs(found.inputs), "outputs": Self.specs(found.outputs),
    ]
    let now = WallClock.nowMs
    let byteCount = stored.reduce(0) { $0 + $1.byteCount }
    return try await database.transaction { (db) throws(HostError) in
      let settings = wanted.settings?.text ?? "{}"
      try db.run(
        "INSERT INTO models (tenant, name, createdMs, settings) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        wanted.tenant, wanted.model, now, settings, doing: "registering a model")
      let model = try db.modelID(wanted.model, wanted.tenant)
      let known = try db.first("SELECT settings FROM models WHERE id = ?", model) {
        (row) throws(HostError) -> String in try row.value(0)
      }
      guard wanted.settings == nil || known == settings else {
        throw HostError(
          .conflict,
          "model '\(wanted.model)' has other settings since its first version; leave them out, or choose "
            + "another name")
      }
      let (label, number) = try Self.place(wanted, model, db)
      try db.run(
        """
        INSERT INTO versions
          (tenant, model, label, number, stage, createdMs, createdBy, format, byteCount, signature, metadata)
        VALUES (?, ?, ?, ?, 'development', ?, ?, ?, ?, ?, ?)
        """, wanted.tenant, model, label, number, now, wanted.caller.name, found.format,
        byteCount, signature.text,
        wanted.metadata?.text ?? "{}", doing: "registering version \(label) of '\(wanted.model)'")
      let version = db.lastRowID
      for file in stored {
        try db.run(
          "INSERT INTO files VALUES (?, ?, ?, ?)", version, file.path, file.digest.text, file.byteCount,
          doing: "registering files")
      }
      for (key, value) in wanted.tags {
        try db.run(
          "INSERT INTO tags (version, key, value, tenant) VALUES (?, ?, ?, ?)", version, key, value, wanted.tenant)
      }
      try db.check(wanted.parents, wanted.tenant)
      try db.add(wanted.parents, of: version, wanted.tenant)
      try self.checkStored(wanted.tenant, adding: byteCount, db)
      for upload in wanted.files.compactMap(\.upload) { try db.run("DELETE FROM uploads WHERE id = ?", upload) }
      try db.addOrigins(wanted, version: version)
      try self.nameUploads(stored, version: version, db)
      if let job = wanted.job { try db.end(job, label: label, byteCount: byteCount) }
      try db.addHistory(wanted.tenant, wanted.model, .init("register", version: label, by: wanted.caller))
      return label
    }
  }

  /// The label, and the number that it stands for or gets.
  private static func place(
    _ wanted: Registration, _ model: Int, _ db: Connection
  ) throws(HostError) -> (String, Int) {
    func highest(_ condition: String) throws(HostError) -> Int? {
      try db.first("SELECT max(number) FROM versions WHERE model = ? AND number \(condition)", model) {
        (row) throws(HostError) -> Int? in try row.value(0)
      } ?? nil
    }
    guard let label = wanted.label else {
      let number = (try highest("< \(VersionWords.firstOther)") ?? 0) + 1
      return (String(number), number)
    }
    guard try db.versionIfThere(label, model) == nil else { throw taken(wanted, label) }
    if try db.hasAlias(label, model) {
      throw HostError(.conflict, "'\(label)' is an alias of model '\(wanted.model)'; choose another label")
    }
    if let number = ModelFolder.number(ofVersion: label) {
      guard String(number) == label, number < VersionWords.firstOther else {
        throw HostError(
          .invalidRequest, "version '\(label)': write numbers without leading zeros, below \(VersionWords.firstOther)")
      }
      return (label, number)
    }
    return (label, (try highest(">= \(VersionWords.firstOther)") ?? VersionWords.firstOther - 1) + 1)
  }

  private static func taken(_ wanted: Registration, _ label: String) -> HostError {
    HostError(
      .conflict, "model '\(wanted.model)' has a version \(label) already; versions don't change, choose another label")
  }

  // MARK: Checks

  static func nameIsTaken(_ model: String) -> HostError {
    HostError(
      .conflict, "model '\(model)' is in the host's own model folder; choose another name or remove it there")
  }

  /// All but its files.
  func check(_ wanted: Registration) throws(HostError) {
    guard ModelFolder.isModelName(wanted.model) else {
      throw HostError(
        .invalidRequest,
        "'\(wanted.model.excerpt)' can't be a model's name: 1 to 255 bytes without control characters, "
          + "slashes and a dot in front are wanted")
    }
    if let label = wanted.label {
      guard VersionWords.isWord(label) else {
        throw HostError(
          .invalidRequest, "'\(label.excerpt)' can't be a version: 1 to 128 letters, digits and . _ + - are wanted")
      }
      guard !VersionWords.reserved.contains(label) else {
        throw HostError(.invalidRequest, "'\(label)' can't be a version: the word means a stage or the newest version")
      }
    }
    guard wanted.tags.count <= Self.maxTags else {
      throw HostError(.invalidRequest, "a version has at most \(Self.maxTags) tags, not \(wanted.tags.count)")
    }
    for (key, value) in wanted.tags where key.isEmpty || key.utf8.count + value.utf8.count > Self.maxTagBytes {
      throw HostError(
        .invalidRequest,
        "tag '\(key.excerpt)' has \(key.utf8.count) + \(value.utf8.count) bytes; a tag has a key, and at most "
          + "\(Self.maxTagBytes)")
    }
    let metadataBytes = wanted.metadata?.text.utf8.count ?? 0
    guard metadataBytes <= Self.maxMetadataBytes else {
      throw HostError(
        .invalidRequest,
        "'metadata' has \(metadataBytes) bytes, more than \(Self.maxMetadataBytes); keep it in a file and its address here"
      )
    }
    try Parent.check(wanted.parents)
    guard let settings = wanted.settings else { return }
    do throws(ModelSettings.Problem) {
      _ = try ModelSettings(parsing: Array(settings.text.utf8))
    } catch {
      throw HostError(.invalidRequest, "settings: \(error)")
    }
  }

  private func checkFiles(_ wanted: Registration) throws(HostError) {
    guard (1...Self.maxFiles).contains(wanted.files.count) else {
      throw HostError(.invalidRequest, "a version has 1 to \(Self.maxFiles) files, not \(wanted.files.count)")
    }
    guard Set(wanted.files.map(\.path)).count == wanted.files.count else {
      throw HostError(.invalidRequest, "two files of the version have the same path")
    }
    for file in wanted.files { try Self.check(path: file.path) }
  }

  private static func check(path: String) throws(HostError) {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    let isClean = parts.allSatisfy { ModelFolder.isModelName(String($0)) }
    guard isClean, parts.count <= 8, path.utf8.count <= 1024 else {
      throw HostError(
        .invalidRequest,
        "'\(path.excerpt)' can't be a file's path: up to 8 names joined by '/', none with a dot in front")
    }
  }

  func checkFree(_ wanted: Registration) async throws(HostError) {
    guard let label = wanted.label else { return }
    let isThere = try await database.read { (db) throws(HostError) in
      guard let model = try db.modelIfThere(wanted.model, wanted.tenant) else { return false }
      return try db.versionIfThere(label, model) != nil
    }
    if isThere { throw Self.taken(wanted, label) }
  }

  static func specs(_ specs: [TensorSpec]) -> JSONValue {
    .array(
      specs.map { spec in
        [
          "name": .string(spec.name), "datatype": .string(spec.elementType.protocolName.description),
          "shape": .array(spec.shape.map { .integer(Int($0)) }),
        ]
      })
  }
}
