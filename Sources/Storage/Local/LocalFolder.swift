import CLinux
import Glibc
package import Inference

/// Objects as files below one folder.
///
/// A file appears under its name only when all of it is on the disk, and so does its name before `put` returns: after a
/// crash of the process or the machine each object is there whole or not at all.
package struct LocalFolder: ObjectStore {
  package let root: String
  package var description: String { "folder \(root)" }

  /// The folder below `root` where files are written.
  static let incoming = ".incoming"

  /// Makes the folder where it is missing, and removes what writers that have died left behind.
  package init(_ root: String) throws(HostError) {
    self.root = root
    try Folders.make("\(root)/\(Self.incoming)")
    IncomingFile.removeAbandoned(in: "\(root)/\(Self.incoming)")
  }

  package func localPath(of key: ObjectKey) -> String? { path(of: key) }

  private func path(of key: ObjectKey) -> String { "\(root)/\(key.text)" }

  package func put(
    _ source: FileSlice, at key: ObjectKey, digest: SHA256Digest, _ call: StorageCall
  ) throws(HostError) {
    let what = "\(description): storing \(key)"
    let file = try IncomingFile(in: "\(root)/\(Self.incoming)")
    let hash = try Hash(.sha256)
    try source.forEachPiece(call, what) { (bytes) throws(HostError) in
      hash.update(bytes)
      try file.append(bytes)
    }
    guard SHA256Digest(bytes: hash.finish()) == digest else {
      throw HostError(.conflict, "\(what): the source is not \(digest), or has changed while it was read")
    }
    try file.publish(as: path(of: key))
  }

  package func get(
    _ key: ObjectKey, range: Range<Int>?, _ call: StorageCall,
    to sink: @escaping (UnsafeRawBufferPointer) throws(HostError) -> Void
  ) throws(HostError) {
    let file = linux_open(path(of: key), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0)
    guard file >= 0 else {
      if errno == ENOENT || errno == ENOTDIR { throw noSuch(key) }
      throw HostError(.internalError, "\(description): \(key) can't be opened: \(systemErrorText)")
    }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw noSuch(key) }
    let whole = try FileSlice(descriptor: file)
    let range = range ?? 0..<whole.byteCount
    guard range.lowerBound < whole.byteCount || range.lowerBound == 0 else {
      throw beyondEnd(of: key, from: range.lowerBound)
    }
    try whole.part(range.clamped(to: 0..<whole.byteCount)).forEachPiece(call, "\(description): reading \(key)", sink)
  }

  package func facts(of key: ObjectKey, _ call: StorageCall) throws(HostError) -> ObjectFacts? {
    var status = stat()
    guard lstat(path(of: key), &status) == 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw HostError(.internalError, "\(description): \(key) can't be looked at: \(systemErrorText)")
    }
    guard status.st_mode & S_IFMT == S_IFREG else { return nil }
    return ObjectFacts(key: key, byteCount: Int(status.st_size), digest: key.contentDigest)
  }

  package func list(
    prefix: String, _ call: StorageCall, _ visit: (ObjectFacts) throws(HostError) -> Void
  ) throws(HostError) {
    // Folders that the prefix names whole need not be searched from above.
    var folders = [prefix.lastIndex(of: "/").map { String(prefix[...$0]) } ?? ""]
    guard prefix.isEmpty || ObjectKey(ifValid: folders[0] + "x") != nil else { return }
    while let folder = folders.popLast() {
      try call.check("\(description): listing \(prefix)")
      for entry in try Folders.entries(of: "\(root)/\(folder)") where "\(folder)\(entry)" != Self.incoming {
        let name = folder + entry
        var status = stat()
        guard lstat("\(root)/\(name)", &status) == 0 else { continue }
        switch status.st_mode & S_IFMT {
        case S_IFDIR where "\(name)/".hasPrefix(prefix) || prefix.hasPrefix("\(name)/"): folders.append("\(name)/")
        case S_IFREG where name.hasPrefix(prefix):
          guard let key = ObjectKey(ifValid: name) else { continue }
          try visit(ObjectFacts(key: key, byteCount: Int(status.st_size)))
        default: continue
        }
      }
    }
  }

  package func delete(_ key: ObjectKey, _ call: StorageCall) throws(HostError) {
    let path = path(of: key)
    guard unlink(path) == 0 else {
      if errno == ENOENT || errno == ENOTDIR || errno == EISDIR { return }
      throw HostError(.internalError, "\(description): \(key) can't be deleted: \(systemErrorText)")
    }
    try Folders.sync(above: path)
  }
}
