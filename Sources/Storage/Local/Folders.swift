import CLinux
import Glibc
import Inference

/// Folders whose names outlive a crash.
enum Folders {
  static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// Makes a folder and those above it; each new name is on the disk before this returns.
  static func make(_ path: String) throws(HostError) {
    if mkdir(path, 0o755) == 0 { return try sync(above: path) }
    if errno == ENOENT {
      try make(parent(of: path))
      if mkdir(path, 0o755) == 0 { return try sync(above: path) }
    }
    var status = stat()
    guard errno == EEXIST, stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      let reason = errno == EEXIST || errno == ENOTDIR ? "a file is in its place" : systemErrorText
      throw HostError(errno == ENOSPC ? .overloaded : .conflict, "folder \(path) can't be made: \(reason)")
    }
  }

  /// Has the names in the folder above `path` written to the disk.
  static func sync(above path: String) throws(HostError) {
    let folder = parent(of: path)
    let descriptor = linux_open(folder, O_RDONLY | O_DIRECTORY, 0)
    guard descriptor >= 0 else {
      throw HostError(.internalError, "folder \(folder) can't be opened: \(systemErrorText)")
    }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else {
      throw HostError(.internalError, "folder \(folder) can't be written to the disk: \(systemErrorText)")
    }
  }

  /// Names in a folder, without `.` and `..`; none if there is no such folder.
  static func entries(of path: String) throws(HostError) -> [String] {
    guard let folder = opendir(path) else {
      if errno == ENOENT || errno == ENOTDIR { return [] }
      throw HostError(.internalError, "folder \(path) can't be read: \(systemErrorText)")
    }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }
}
