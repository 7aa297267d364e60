import Glibc

/// Finds the model in a version folder, in every format that it has. Blocks on the disk.
enum VersionFolder {
  /// - Parameters:
  ///   - folder: Absolute, links resolved.
  ///   - names: What lies in it, in byte order.
  ///   - format: Of `model.json`: no other counts; nil takes what the names say.
  static func files(in folder: String, names: [String], format: String?) -> [ModelFile] {
    let found = models(among: names)
    guard let format else {
      if found.isEmpty {
        let advice = "name it model.onnx, model.tflite, model.<format> or saved_model"
        return [file(folder, "", problem: "the version's folder holds no model; \(advice)")]
      }
      return found.map { checked(folder, $0.name, $0.format) }
    }
    if let match = found.first(where: { $0.format == format }) { return [checked(folder, match.name, format)] }
    // A format of the operator's: the file that there is, or the folder as a whole.
    if found.count == 1, !isKnown(found[0].format) { return [checked(folder, found[0].name, format)] }
    if let known = ModelFormat.known.first(where: { $0.format == format }) {
      return [file(folder, format, problem: "the version's folder holds no \(known.fileName)")]
    }
    return [file(folder, format)]
  }

  static func file(_ path: String, _ format: String, problem: String? = nil) -> ModelFile {
    ModelFile(path: path, format: format, stamp: stamp(of: path), problem: problem)
  }

  private static func models(among names: [String]) -> [(name: String, format: String)] {
    let known = ModelFormat.known.filter { names.contains($0.fileName) }.map { (name: $0.fileName, format: $0.format) }
    let others = names.compactMap { name in ModelFormat.named(by: name).map { (name: name, format: $0) } }
    return known + others.filter { other in !known.contains { $0.name == other.name } }
  }

  private static func isKnown(_ format: String) -> Bool { ModelFormat.known.contains { $0.format == format } }

  private static func checked(_ folder: String, _ name: String, _ format: String) -> ModelFile {
    guard let path = ModelFolder.real("\(folder)/\(name)"), let status = ModelFolder.status(path) else {
      return file("\(folder)/\(name)", format, problem: "\(name) can't be opened: \(ModelFolder.errorText)")
    }
    let isRegular = status.st_mode & S_IFMT == S_IFREG
    guard isRegular || ModelFolder.isFolder(status) && (format == "saved_model" || !isKnown(format)) else {
      return file(path, format, problem: "\(name) is not a regular file")
    }
    var problem = ModelFormat.mismatch(of: path, with: format).map { "\(name) \($0)" }
    if problem == nil && format == "openvino" && ModelFolder.status("\(folder)/model.bin") == nil {
      problem = "model.xml has no model.bin beside it"
    }
    return file(path, format, problem: problem)
  }

  /// Of the model and what belongs to it: weights beside it as `model.bin`, or in it as `variables/`.
  ///
  /// The youngest time and the sum of the sizes, so that a change of any part shows.
  private static func stamp(of path: String) -> ModelFile.Stamp {
    guard let status = ModelFolder.status(path) else { return .init(modifiedNs: 0, byteCount: 0, inode: 0) }
    var modifiedNs: Int64 = 0
    var byteCount: Int64 = 0
    func add(_ status: stat) {
      let (seconds, _) = Int64(status.st_mtim.tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
      modifiedNs = max(modifiedNs, seconds &+ Int64(status.st_mtim.tv_nsec))
      byteCount &+= Int64(status.st_size)
    }
    func addFiles(in folder: String, where isPart: (String) -> Bool) {
      for name in ModelFolder.names(in: folder) ?? [] where isPart(name) {
        if let part = ModelFolder.status("\(folder)/\(name)"), part.st_mode & S_IFMT == S_IFREG { add(part) }
      }
    }
    add(status)
    if ModelFolder.isFolder(status) {
      addFiles(in: path) { _ in true }
      addFiles(in: "\(path)/variables") { _ in true }
    } else if let slash = path.lastIndex(of: "/") {
      let own = String(path[path.index(after: slash)...])
      addFiles(in: String(path[..<slash])) { $0.hasPrefix("model.") && $0 != own }
    }
    return .init(modifiedNs: modifiedNs, byteCount: byteCount, inode: UInt64(status.st_ino))
  }
}

/// Paths and what stands at them; nil with `errno` set.
extension ModelFolder {
  static func real(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  static func status(_ path: String) -> stat? {
    var status = stat()
    return stat(path, &status) == 0 ? status : nil
  }

  static func isFolder(_ status: stat) -> Bool { status.st_mode & S_IFMT == S_IFDIR }

  static var errorText: String { String(cString: strerror(errno)) }

  /// In byte order, without "." and "..".
  static func names(in folder: String) -> [String]? {
    guard let handle = opendir(folder) else { return nil }
    defer { closedir(handle) }
    var names: [String] = []
    while let entry = readdir(handle) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
