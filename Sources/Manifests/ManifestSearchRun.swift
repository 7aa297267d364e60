import Inference
import Glibc
import Wire

/// One pass over the places of a search, with what it has met so far.
struct ManifestSearchRun {
  let search: ManifestSearch
  private(set) var result = ManifestSearch.Result()
  /// Who has each id. Identity is device and inode of the library; nil for a runner that isn't used.
  private var owners: [String: (sourcePath: String, library: LibraryIdentity?)] = [:]
  /// Folders by real path, and what speaks against them: each is reported once.
  private var folders: [String: String?] = [:]

  struct LibraryIdentity: Equatable {
    let device: UInt
    let inode: UInt
  }

  init(search: ManifestSearch) { self.search = search }

  mutating func visit(_ place: ManifestSearch.Place) {
    if let origin = place.origin, origin != "--manifests", !place.path.hasPrefix("/") {
      report("is a relative path in \(origin), which is never used", place.path, suggestion: "write an absolute path")
      return
    }
    guard let real = FilePath.real(place.path), let status = FilePath.status(real) else {
      if let origin = place.origin {
        report("can't be opened: \(FilePath.errorText)", place.path, suggestion: "correct \(origin)")
      }
      return
    }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      read(place.path)
      return
    }
    guard isTrusted(folder: real, reportedAs: place.path) else { return }
    guard let names = FilePath.names(in: real) else {
      report("can't be read: \(FilePath.errorText)", place.path)
      return
    }
    let folder = place.path.hasSuffix("/") ? String(place.path.dropLast()) : place.path
    for name in names where name.hasSuffix(".runner.json") && !name.hasPrefix(".") { read("\(folder)/\(name)") }
  }

  private mutating func report(
    _ message: String, _ file: String, key: String? = nil, id: String? = nil, suggestion: String? = nil
  ) {
    result.problems.append(ManifestProblem(message, file: file, key: key, id: id, suggestion: suggestion))
  }

  // MARK: One manifest

  private mutating func read(_ file: String) {
    guard let real = FilePath.real(file) else {
      report("can't be opened: \(FilePath.errorText)", file)
      return
    }
    let folder = FilePath.folder(of: real)
    guard isTrusted(folder: folder, reportedAs: file), let text = content(of: real, reportedAs: file) else { return }
    let reading = ManifestReader(file: file, text: text).read()
    result.problems += reading.problems
    result.remarks += reading.notes
    guard var manifest = reading.manifest else { return }
    let id = manifest.id
    if let arch = reading.arch, arch != search.arch {
      result.skipped.append(.init(id: id, sourcePath: file, reason: .arch(arch)))
      return
    }
    if !reading.isEnabled || !search.wants(id) {
      leaveOut(id, file, reading.isEnabled ? .filtered : .disabled)
      return
    }
    // Hidden by one that is disabled or filtered: nothing more to say about it.
    if let owner = owners[id], owner.library == nil { return }
    if let hostABI = search.hostABI, !hostABI.opens(manifest.abi) {
      report(
        "speaks ABI \(manifest.abi), host speaks \(hostABI)", file, key: "abi", id: id, suggestion: "rebuild the runner"
      )
      return
    }
    guard let library = library(of: &manifest, in: folder, setup: reading.setup), claim(id, file, library) else {
      return
    }
    manifest.options = manifest.options.mapValues { value in expanded(value, in: folder) ?? value }
    // An engine that is to be installed yet; one that is there is the runner's affair.
    for path in manifest.options.values where path.hasPrefix("/") && FilePath.status(path) == nil {
      result.libraryFolders.insert(FilePath.folder(of: path))
    }
    manifest.access.read = manifest.access.read.map { expanded($0, in: folder) ?? $0 }
    manifest.access.write = manifest.access.write.map { expanded($0, in: folder) ?? $0 }
    result.manifests.append(manifest)
  }

  private mutating func content(of real: String, reportedAs file: String) -> [UInt8]? {
    var doubt: String?
    let text: [UInt8]
    do throws(SmallFile.Failure) {
      text = try SmallFile.read(real, limit: ManifestReader.byteLimit) { status in
        doubt = FileTrust.complaint(status, userID: search.userID)
      }
    } catch {
      report(error.description, file)
      return nil
    }
    return isAccepted(doubt, file) ? text : nil
  }

  private mutating func leaveOut(_ id: String, _ file: String, _ reason: ManifestSearch.Skipped.Reason) {
    guard owners[id] == nil else { return }
    owners[id] = (file, nil)
    result.skipped.append(.init(id: id, sourcePath: file, reason: reason))
  }

  /// The first one has the id; the same library again is no news, another one is.
  private mutating func claim(_ id: String, _ file: String, _ library: LibraryIdentity) -> Bool {
    guard let owner = owners[id] else {
      owners[id] = (file, library)
      result.skipped.removeAll { $0.id == id && $0.isOffered }
      return true
    }
    if let first = owner.library, first != library {
      report(
        "has the id \(id) of \(owner.sourcePath), and the first one wins", file, key: "id", id: id,
        suggestion: "remove one of them, or give it an id of its own")
    }
    return false
  }

  // MARK: Its library

  /// Puts the real path into the manifest; nil, and the reason noted, if the library can't be used.
  private mutating func library(
    of manifest: inout RunnerManifest, in folder: String, setup: String?
  ) -> LibraryIdentity? {
    let file = manifest.sourcePath
    let written = manifest.libraryPath
    let path = written.hasPrefix("/") ? written : expanded(written, in: folder) ?? "\(folder)/\(written)"
    func problem(_ message: String, key: String = "library.path", suggestion: String) -> ManifestProblem {
      ManifestProblem("\(path) \(message)", file: file, key: key, id: manifest.id, suggestion: suggestion)
    }
    guard let real = FilePath.real(path), let status = FilePath.status(real) else {
      let (code, reason) = (errno, FilePath.errorText)
      result.libraryFolders.insert(FilePath.folder(of: path))
      if let setup, [ENOENT, ENOTDIR].contains(code) {
        if owners[manifest.id] == nil {
          result.skipped.append(.init(id: manifest.id, sourcePath: file, reason: .notInstalled(setup: setup)))
        }
        return nil
      }
      result.problems.append(problem("can't be opened: \(reason)", suggestion: "build the runner or correct the path"))
      return nil
    }
    // A link lies elsewhere than what it leads to, and both may change.
    result.libraryFolders.insert(FilePath.folder(of: real))
    if let folder = FilePath.real(FilePath.folder(of: path)) { result.libraryFolders.insert(folder) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      result.problems.append(problem("is not a regular file", suggestion: "name the .so file"))
      return nil
    }
    let doubt = FileTrust.complaint(status, userID: search.userID).map { "the library \(real) \($0)" }
    guard isTrusted(folder: FilePath.folder(of: real), reportedAs: file, key: "library.path", id: manifest.id),
      isAccepted(doubt, file, key: "library.path", id: manifest.id)
    else { return nil }
    if let wanted = manifest.sha256 {
      do throws(FileDigest.Failure) {
        let found = try FileDigest.sha256(of: real)
        guard found == wanted else {
          let message = "has SHA-256 \(found), the manifest says \(wanted)"
          result.problems.append(
            problem(message, key: "library.sha256", suggestion: "install the right build or correct the checksum"))
          return nil
        }
      } catch {
        result.problems.append(
          problem(error.description, key: "library.sha256", suggestion: "install libssl3 or remove the checksum"))
        return nil
      }
    }
    manifest.libraryPath = real
    return LibraryIdentity(device: UInt(status.st_dev), inode: UInt(status.st_ino))
  }

  /// Nil unless the text begins with `@host/` or `@manifest/`.
  private func expanded(_ text: String, in folder: String) -> String? {
    if text.hasPrefix("@host/") { return search.hostFolder + text.dropFirst("@host".count) }
    if text.hasPrefix("@manifest/") { return folder + text.dropFirst("@manifest".count) }
    return nil
  }

  // MARK: Trust

  /// - Parameter file: What the reader of the message knows: the manifest or the folder as it was given.
  private mutating func isTrusted(
    folder: String, reportedAs file: String, key: String? = nil, id: String? = nil
  ) -> Bool {
    if let known = folders[folder] {
      // Warned of already; refused again for each manifest, because each is missed by somebody.
      guard let known, !search.allowWritable else { return true }
      return isAccepted(known, file, key: key, id: id)
    }
    let doubt: String?
    if let status = FilePath.status(folder) {
      doubt = FileTrust.complaint(status, userID: search.userID).map { "its folder \(folder) \($0)" }
    } else {
      doubt = "its folder \(folder) can't be examined: \(FilePath.errorText)"
    }
    folders[folder] = .some(doubt)
    return isAccepted(doubt, file, key: key, id: id)
  }

  private mutating func isAccepted(_ doubt: String?, _ file: String, key: String? = nil, id: String? = nil) -> Bool {
    guard let doubt else { return true }
    var problem = ManifestProblem(doubt, file: file, key: key, id: id, suggestion: FileTrust.suggestion)
    if search.allowWritable {
      problem.severity = .warning
      problem.suggestion = nil
      result.remarks.append(problem)
      return true
    }
    result.problems.append(problem)
    return false
  }
}
