import Glibc
package import Inference

/// A folder for the time of one benchmark: short paths, because a socket's path has at most 107 bytes.
package final class WorkFolder {
  package let path: String

  package init() throws(HostError) {
    let parent = getenv("TMPDIR").map { String(cString: $0) }.flatMap { $0.utf8.count < 60 ? $0 : nil } ?? "/tmp"
    var template = Array("\(parent)/stadion-bench-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw HostError(.internalError, "can't make a folder in \(parent): \(String(cString: strerror(errno)))")
    }
    path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  deinit { Self.remove(path) }

  /// Removes a file, or a folder with all that is in it; links are removed, not followed.
  package static func remove(_ path: String) {
    guard unlink(path) != 0, let handle = opendir(path) else { return }
    while let entry = readdir(handle) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name != "." && name != ".." { remove("\(path)/\(name)") }
    }
    closedir(handle)
    rmdir(path)
  }
}
