import Glibc
import Inference
import Routing
import Storage
import Threads

/// Folders of registered models as the router reads them: links to content, made from plans.
actor ServedFolder {
  private let root: String
  private let content: LocalFolder
  private nonisolated let thread = RunThreads(name: "registry", limit: 1)
  /// Revisions of the plans that the folders show, by their keys.
  private var revisions: [String: Int] = [:]
  private var temporaryCount = 0

  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  init(root: String, content: LocalFolder) {
    self.root = root
    self.content = content
  }

  deinit { thread.end() }

  /// Brings all folders to what the plans say: nothing else stays.
  func start(_ plans: [ServingPlan]) throws(HostError) {
    try Files.makeFolder(root)
    for name in Files.names(in: root) {
      let path = "\(root)/\(name)"
      guard TenantID(name) != nil else {
        Files.remove(path)
        continue
      }
      // A number may stand for other content than it did before the crash. The tenant's folder stays: its runners'
      // processes may read this one, not another of its name.
      for model in Files.names(in: path) { Files.remove("\(path)/\(model)") }
    }
    for plan in plans { _ = try show(plan) }
  }

  /// - Returns: False where the folder shows a newer plan already.
  func show(_ plan: ServingPlan) throws(HostError) -> Bool {
    guard plan.revision >= revisions[plan.key] ?? 0 else { return false }
    let folder = "\(root)/\(plan.tenant)/\(plan.name)"
    try Files.makeFolder(folder)
    if plan.settings != "{}" {
      let new = newName()
      try Files.write(plan.settings, to: new)
      try rename(new, to: "\(folder)/model.json")
    }
    let wanted = Set(plan.versions.keys.map { String($0) })
    for (number, files) in plan.versions where access("\(folder)/\(number)", F_OK) != 0 {
      try rename(try made(files), to: "\(folder)/\(number)")
    }
    for name in Files.names(in: folder) where !wanted.contains(name) && name != "model.json" {
      try removeVersion("\(folder)/\(name)")
    }
    revisions[plan.key] = plan.revision
    return true
  }

  func remove(_ name: String, of tenant: TenantID) throws(HostError) {
    revisions[ModelKey.text(tenant, name)] = nil
    try removeVersion("\(root)/\(tenant)/\(name)")
  }

  /// A folder with a model of one version, not served: `<result>/NAME/1/…`.
  func candidate(_ name: String, settings: String, _ files: [ServingPlan.File]) throws(HostError) -> String {
    let folder = newName()
    try Files.makeFolder("\(folder)/\(name)")
    if settings != "{}" { try Files.write(settings, to: "\(folder)/\(name)/model.json") }
    try rename(try made(files), to: "\(folder)/\(name)/1")
    return folder
  }

  func removeCandidate(_ folder: String) { Files.remove(folder) }

  /// Names with a dot in front are no models.
  private func newName() -> String {
    temporaryCount += 1
    return "\(root)/.new-\(temporaryCount)"
  }

  private func made(_ files: [ServingPlan.File]) throws(HostError) -> String {
    let folder = newName()
    try Files.makeFolder(folder)
    for file in files {
      guard let digest = SHA256Digest(file.sha256), let path = content.localPath(of: ObjectKey(content: digest)) else {
        throw HostError(.storageCorrupt, "file \(file.path) of a version has no content; register it again")
      }
      try Files.link(path, at: "\(folder)/\(file.path)")
    }
    return folder
  }

  private func rename(_ old: String, to new: String) throws(HostError) {
    guard Glibc.rename(old, new) == 0 else { throw Files.failure("\(new) can't be made") }
  }

  /// In one step for whoever looks.
  private func removeVersion(_ path: String) throws(HostError) {
    guard access(path, F_OK) == 0 else { return }
    let old = newName()
    try rename(path, to: old)
    Files.noteUse(old)
    Files.remove(old)
  }
}
