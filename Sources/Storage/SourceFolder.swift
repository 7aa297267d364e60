import CLinux
import Glibc
import Inference

/// Files below one folder, to be read and never written. Whatever links lead to, nothing outside the folder is opened.
struct SourceFolder: ObjectSource {
  /// Without links in it.
  private let root: String
  let description: String

  /// - Throws: `.notFound` where there is no such folder.
  init(_ path: String) throws(HostError) {
    description = "folder \(path)"
    guard let real = realpath(path, nil) else { throw HostError(.notFound, "\(description): \(systemErrorText)") }
    defer { free(real) }
    root = String(cString: real)
  }

  func get(
    _ key: ObjectKey, range: Range<Int>?, _ call: StorageCall,
    to sink: @escaping (UnsafeRawBufferPointer) throws(HostError) -> Void
  ) throws(HostError) {
    guard let file = try open(key.text, O_NONBLOCK) else { throw noSuch(key) }
    defer { close(file) }
    guard isFile(file) else { throw noSuch(key) }
    let whole = try FileSlice(descriptor: file)
    let range = range ?? 0..<whole.byteCount
    guard range.lowerBound < whole.byteCount || range.lowerBound == 0 else {
      throw beyondEnd(of: key, from: range.lowerBound)
    }
    try whole.part(range.clamped(to: 0..<whole.byteCount)).forEachPiece(call, "\(description): reading \(key)", sink)
  }

  func facts(of key: ObjectKey, _ call: StorageCall) throws(HostError) -> ObjectFacts? {
    guard let file = try open(key.text, O_NONBLOCK) else { return nil }
    defer { close(file) }
    guard isFile(file) else { return nil }
    return ObjectFacts(key: key, byteCount: try FileSlice(descriptor: file).byteCount)
  }

  func list(
    prefix: String, _ call: StorageCall, _ visit: (ObjectFacts) throws(HostError) -> Void
  ) throws(HostError) {
    var folders = [prefix.lastIndex(of: "/").map { String(prefix[...$0]) } ?? ""]
    while let folder = folders.popLast() {
      try call.check("\(description): listing \(prefix)")
      for name in try names(in: folder) where "\(folder)\(name)".hasPrefix(prefix) {
        let inner = folder + name
        var status = stat()
        guard lstat("\(root)/\(inner)", &status) == 0 else { continue }
        // Links to folders are left out: they may lead round in circles.
        if status.st_mode & S_IFMT == S_IFDIR {
          folders.append("\(inner)/")
        } else if let key = ObjectKey(ifValid: inner), let facts = try facts(of: key, call) {
          try visit(facts)
        }
      }
    }
  }

  private func names(in folder: String) throws(HostError) -> [String] {
    guard let descriptor = try open(folder, O_DIRECTORY) else { return [] }
    guard let handle = fdopendir(descriptor) else {
      close(descriptor)
      throw HostError(.internalError, "\(description): \(folder) can't be read: \(systemErrorText)")
    }
    defer { closedir(handle) }
    var names: [String] = []
    while let entry = readdir(handle) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  /// Nil where there is nothing below the folder that could be opened so.
  private func open(_ name: String, _ flags: Int32) throws(HostError) -> Int32? {
    let descriptor = linux_open("\(root)/\(name)", O_RDONLY | O_NOCTTY | flags, 0)
    guard descriptor >= 0 else {
      if [ENOENT, ENOTDIR, ELOOP].contains(errno) { return nil }
      throw HostError(.storageRefused, "\(description): \(name) can't be opened: \(systemErrorText)")
    }
    // Of what was opened: a path may mean something else by now.
    guard let path = realpath("/proc/self/fd/\(descriptor)", nil) else {
      close(descriptor)
      return nil
    }
    defer { free(path) }
    let real = String(cString: path)
    guard real == root || real.hasPrefix(root == "/" ? "/" : "\(root)/") else {
      close(descriptor)
      return nil
    }
    return descriptor
  }

  private func isFile(_ descriptor: Int32) -> Bool {
    var status = stat()
    return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }
}
