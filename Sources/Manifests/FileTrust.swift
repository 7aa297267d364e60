import Glibc

/// Who may change a file: a library that others can replace is code that others run in the host.
enum FileTrust {
  /// What speaks against trusting, nil if nothing does.
  ///
  /// Good owners are root and the host's user. A group may write if it is root's, or the user's private one (its number
  /// is the user's), which Debian gives to each user together with a umask of 002.
  static func complaint(owner: UInt32, group: UInt32, mode: UInt32, userID: UInt32) -> String? {
    if owner != 0 && owner != userID {
      return "belongs to user \(owner), neither root nor the host's user \(userID)"
    }
    let rights = "0" + String(mode & 0o7777, radix: 8)
    if mode & S_IWOTH != 0 { return "is writable by everybody (mode \(rights))" }
    if mode & S_IWGRP != 0 && group != 0 && group != userID { return "is writable by group \(group) (mode \(rights))" }
    return nil
  }

  static func complaint(_ status: stat, userID: UInt32) -> String? {
    complaint(owner: status.st_uid, group: status.st_gid, mode: status.st_mode, userID: userID)
  }

  static let suggestion = "chown it and chmod go-w it, or start with --allow-writable-runners"
}

/// Paths and what stands at them. All of it may block on the disk.
enum FilePath {
  /// Absolute, links resolved; nil, with `errno` set, if there is nothing.
  static func real(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// The folder of an absolute path.
  static func folder(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash > path.startIndex else { return "/" }
    return String(path[..<slash])
  }

  /// Nil, with `errno` set, if there is nothing.
  static func status(_ path: String) -> stat? {
    var status = stat()
    return stat(path, &status) == 0 ? status : nil
  }

  static var errorText: String { String(cString: strerror(errno)) }

  /// Names in a folder in byte order; nil, with `errno` set, if it can't be read.
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
