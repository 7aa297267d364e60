import Foundation

/// A folder of one test, gone with it.
final class TemporaryFolder {
  let path: String

  init() {
    var template = Array("/tmp/stadion-manifests-XXXXXX".utf8CString)
    let made = mkdtemp(&template).map { String(cString: $0) }
    path = made.flatMap { realpath($0, nil).map { String(cString: $0) } }!
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file, and the folders above it.
  @discardableResult
  func write(_ name: String, _ text: String) throws -> String {
    let file = "\(path)/\(name)"
    let folder = (file as NSString).deletingLastPathComponent
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(fileURLWithPath: file))
    return file
  }

  /// A manifest with a library of its own beside it; `changes` replace top-level members, nil removes.
  @discardableResult
  func runner(_ name: String, id: String, _ changes: [String: Any?] = [:], library: String? = nil) throws -> String {
    let libraryName = library ?? "lib\(name.replacing("/", with: "-")).so"
    let folder = ("\(path)/\(name)" as NSString).deletingLastPathComponent
    if library == nil { try write("\(folder.dropFirst(path.count + 1))/\(libraryName)", id) }
    var manifest: [String: Any] = [
      "manifestVersion": "1.0", "id": id, "version": "0.1.0", "abi": ["major": 0, "minor": 1],
      "library": ["path": "./\(libraryName)"], "devices": [["kind": "cpu"]],
      "models": [
        "formats": ["onnx"], "elementTypes": ["f32"], "dynamicShapes": true, "streams": false, "cancel": "none",
      ],
    ]
    for (key, value) in changes { manifest[key] = value }
    let data = try JSONSerialization.data(withJSONObject: manifest, options: [.prettyPrinted, .sortedKeys])
    return try write("\(name).runner.json", String(decoding: data, as: UTF8.self))
  }
}
