import Foundation

/// A folder of one test, gone with it.
final class TemporaryFolder {
  let path: String

  init() {
    var template = Array("/tmp/stadion-registry-XXXXXX".utf8CString)
    let made = mkdtemp(&template).map { String(cString: $0) }
    path = made.flatMap { realpath($0, nil).map { String(cString: $0) } }!
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file, and the folders above it.
  @discardableResult
  func write(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
    let file = "\(path)/\(name)"
    makeFolder((name as NSString).deletingLastPathComponent)
    try Data(Array(bytes)).write(to: URL(fileURLWithPath: file))
    return file
  }

  func makeFolder(_ name: String) {
    try? FileManager.default.createDirectory(atPath: "\(path)/\(name)", withIntermediateDirectories: true)
  }
}
