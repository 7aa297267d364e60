import Foundation

/// A folder of one test, gone with it. Its path is short: a socket's path has at most 107 bytes.
final class TemporaryFolder: Sendable {
  let path: String

  init() {
    var template = Array("/tmp/stadion-host-XXXXXX".utf8CString)
    path = String(cString: mkdtemp(&template))
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file, and the folders above it.
  @discardableResult
  func write(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
    makeFolder(above: name)
    let file = "\(path)/\(name)"
    try Data(Array(bytes)).write(to: URL(fileURLWithPath: file))
    return file
  }

  @discardableResult
  func write(_ name: String, _ text: String) throws -> String { try write(name, text.utf8) }

  @discardableResult
  func makeFolder(_ name: String) -> String {
    try? FileManager.default.createDirectory(atPath: "\(path)/\(name)", withIntermediateDirectories: true)
    return "\(path)/\(name)"
  }

  private func makeFolder(above name: String) {
    if let slash = name.lastIndex(of: "/") { makeFolder(String(name[..<slash])) }
  }

  func copy(_ file: String, to name: String) throws {
    makeFolder(above: name)
    try FileManager.default.copyItem(atPath: file, toPath: "\(path)/\(name)")
  }

  func move(_ name: String, to other: String) throws {
    guard rename("\(path)/\(name)", "\(path)/\(other)") == 0 else { throw POSIXError(.init(rawValue: errno)!) }
  }

  func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: "\(path)/\(name)") }
}
