import Glibc
import Inference

/// Folders that can be made anew from the database; none of this needs to outlive a crash.
enum Files {
  static func names(in folder: String) -> [String] {
    guard let handle = opendir(folder) else { return [] }
    defer { closedir(handle) }
    var names: [String] = []
    while let entry = readdir(handle) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  /// Makes a folder and those above it.
  static func makeFolder(_ path: String) throws(HostError) {
    if mkdir(path, 0o755) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
      throw failure("folder \(path) can't be made")
    }
    try makeFolder(String(path[..<slash]))
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw failure("folder \(path) can't be made") }
  }

  /// Removes a file, or a folder with all that is in it; links are not followed.
  static func remove(_ path: String) {
    if unlink(path) == 0 || errno == ENOENT { return }
    for name in names(in: path) { remove("\(path)/\(name)") }
    rmdir(path)
  }

  /// Sets when the files below a folder were used last, and nothing else of them.
  static func noteUse(_ path: String) {
    // What Swift can't import of utimensat(2).
    let (now, omit) = ((1 << 30) - 1, (1 << 30) - 2)
    let times = [timespec(tv_sec: 0, tv_nsec: now), timespec(tv_sec: 0, tv_nsec: omit)]
    utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW)
    for name in names(in: path) { noteUse("\(path)/\(name)") }
  }

  static func write(_ text: String, to path: String) throws(HostError) {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o644)
    guard file >= 0 else { throw failure("\(path) can't be written") }
    defer { close(file) }
    var text = text
    let written = text.withUTF8 { Glibc.write(file, $0.baseAddress, $0.count) }
    guard written == text.utf8.count else { throw failure("\(path) can't be written") }
  }

  static func link(_ target: String, at path: String) throws(HostError) {
    if let slash = path.lastIndex(of: "/") { try makeFolder(String(path[..<slash])) }
    guard Glibc.link(target, path) == 0 else { throw failure("\(path) can't be linked to its content") }
  }

  static func failure(_ what: String) -> HostError {
    HostError(
      errno == ENOSPC || errno == EDQUOT ? .storageUnavailable : .internalError,
      "\(what): \(String(cString: strerror(errno)))")
  }
}
