import Glibc
import Wire

/// Scans a local model repository, `<root>/<name>/<version>/model.onnx` and the like, with an optional `model.json` in
/// `<root>/<name>`. Values in, values out; everything blocks on the disk: call off the cooperative pool.
///
/// A problem of one model or version never hides the others.
package enum ModelFolder {
  package struct Scan: Sendable, Equatable {
    /// Sorted by name, in byte order.
    package var models: [ModelEntry] = []
    /// What no entry can tell, as folders that are no model. With paths: for the log, not for clients.
    package var problems: [String] = []
  }

  /// Looks at every model below `root`.
  package static func scan(root: String) -> Scan {
    var scan = Scan()
    guard let names = names(in: root) else {
      scan.problems.append("\(root): can't be read: \(errorText)")
      return scan
    }
    for name in names where !name.hasPrefix(".") {
      let path = "\(root)/\(name)"
      // README files and the like may lie beside the models.
      guard let status = status(path) else {
        scan.problems.append("\(path): can't be opened: \(errorText)")
        continue
      }
      guard isFolder(status) else { continue }
      if !isModelName(name) {
        scan.problems.append("\(path): is no model's name (1 to 255 bytes of UTF-8, no control characters)")
      } else if let model = model(name, root: root, problems: &scan.problems) {
        scan.models.append(model)
      }
    }
    return scan
  }

  /// Looks at one model again; nil if its folder is gone or unreadable, or the name is none.
  package static func model(_ name: String, root: String, problems: inout [String]) -> ModelEntry? {
    guard isModelName(name) else { return nil }
    let folder = "\(root)/\(name)"
    guard let real = real(folder), let names = names(in: real) else {
      problems.append("\(folder): can't be read: \(errorText)")
      return nil
    }
    var settings = ModelSettings()
    var settingsProblem: String?
    if names.contains("model.json") {
      do throws(ModelSettings.Problem) {
        settings = try read("\(real)/model.json")
      } catch {
        settingsProblem = "model.json: \(error.description)"
      }
    }
    let versions = versions(names, folder: real, settings: settings, problems: &problems)
    return ModelEntry(
      name: name, path: real, versions: versions, settings: settings, settingsProblem: settingsProblem)
  }

  private static func read(_ path: String) throws(ModelSettings.Problem) -> ModelSettings {
    let text: [UInt8]
    do throws(SmallFile.Failure) {
      text = try SmallFile.read(path, limit: ModelSettings.byteLimit)
    } catch {
      throw ModelSettings.Problem(description: error.description)
    }
    return try ModelSettings(parsing: text)
  }

  private static func versions(
    _ names: [String], folder: String, settings: ModelSettings, problems: inout [String]
  ) -> [VersionEntry] {
    var versions: [VersionEntry] = []
    for label in names where !label.hasPrefix(".") {
      let path = "\(folder)/\(label)"
      guard let number = number(ofVersion: label) else {
        if let status = status(path), isFolder(status) {
          problems.append("\(path): is no version (decimal digits, at most 18)")
        }
        continue
      }
      if let first = versions.first(where: { $0.number == number }) {
        problems.append("\(path): is the same version as \(first.label), which is used")
        continue
      }
      versions.append(version(label, number, path, settings))
    }
    return versions.sorted { $0.number < $1.number }
  }

  private static func version(
    _ label: String, _ number: Int, _ folder: String, _ settings: ModelSettings
  ) -> VersionEntry {
    let files: [ModelFile]
    if let real = real(folder), let names = names(in: real) {
      files = VersionFolder.files(in: real, names: names, format: settings.format)
    } else {
      let problem = "the version's folder can't be read: \(errorText)"
      files = [VersionFolder.file(folder, settings.format ?? "", problem: problem)]
    }
    return VersionEntry(label: label, number: number, files: files)
  }

  // MARK: Names

  /// 1...255 bytes of UTF-8 without '/', control characters and a leading '.'.
  package static func isModelName(_ name: String) -> Bool { isPlainName(name) && !name.hasPrefix(".") }

  static func isPlainName(_ name: String) -> Bool {
    let isClean = name.unicodeScalars.allSatisfy { scalar in
      scalar.value >= 0x20 && !(0x7F...0x9F).contains(scalar.value) && scalar != "/" && scalar != "\u{FFFD}"
    }
    return isClean && (1...255).contains(name.utf8.count) && name != "." && name != ".."
  }

  /// Nil unless `label` is 1 to 18 decimal digits: such numbers fit 64 bits.
  package static func number(ofVersion label: String) -> Int? {
    guard (1...18).contains(label.utf8.count), label.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
    return Int(label)
  }
}
