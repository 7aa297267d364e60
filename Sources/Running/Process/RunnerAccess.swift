package import Confinement
import Glibc
import Inference
package import Manifests
package import Wire

/// What a runner's process may open: derived from its manifest, sent to the process, and kept there.
package enum RunnerAccess {
  /// - Parameter modelRoots: Folders of the models that the runner may be given.
  package static func confinement(for manifest: RunnerManifest, modelRoots: [String]) -> Confinement {
    var readable = [folder(of: manifest.libraryPath)] + modelRoots + manifest.access.read
    // Engines are named in options. Beside an engine's library lie the ones that it opens itself.
    for value in manifest.options.values where value.hasPrefix("/") {
      readable.append(isLibrary(value) ? folder(of: real(value)) : value)
      if isLibrary(value) { readable.append(folder(of: value)) }
    }
    var devices = manifest.access.devices
    if manifest.devices.contains(where: { $0.kind != .cpu }) { devices += acceleratorDevices }
    return Confinement(
      readablePaths: readable, writablePaths: manifest.access.write, devicePaths: devices,
      memoryBytes: manifest.limits.memoryBytes)
  }

  /// Where drivers of accelerators are found; what isn't there is skipped.
  private static let acceleratorDevices =
    ["/dev/dri", "/dev/kfd", "/dev/accel", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"]
    + (0..<8).map { "/dev/nvidia\($0)" }

  private static func isLibrary(_ path: String) -> Bool { path.hasSuffix(".so") || path.contains(".so.") }

  private static func folder(of path: String) -> String {
    let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
    return folder.isEmpty ? "/" : folder
  }

  private static func real(_ path: String) -> String {
    guard let found = realpath(path, nil) else { return path }
    defer { free(found) }
    return String(cString: found)
  }

  // MARK: As a message

  package static func encode(_ confinement: Confinement) -> JSONValue {
    func list(_ paths: [String]) -> JSONValue { .array(paths.map { .string($0) }) }
    return [
      "read": list(confinement.readablePaths), "write": list(confinement.writablePaths),
      "devices": list(confinement.devicePaths), "memoryBytes": .integer(confinement.memoryBytes ?? 0),
      "openFiles": .integer(confinement.openFiles),
    ]
  }

  package static func confinement(_ value: JSONValue) -> Confinement? {
    func list(_ key: String) -> [String]? { value[key]?.array?.compactMap(\.string) }
    guard let read = list("read"), let write = list("write"), let devices = list("devices"),
      let memoryBytes = value["memoryBytes"]?.int, let openFiles = value["openFiles"]?.int
    else { return nil }
    return Confinement(
      readablePaths: read, writablePaths: write, devicePaths: devices,
      memoryBytes: memoryBytes > 0 ? memoryBytes : nil, openFiles: openFiles)
  }
}
