package import Inference
import Wire

extension ModelSettings {
  /// Those of `versions` that are to be served, lowest number first.
  ///
  /// A version with a problem counts like any other, so that a bad upload is seen and not hidden by an older one.
  package func wantedVersions(of versions: [VersionEntry]) -> [VersionEntry] {
    let sorted = versions.sorted { $0.number < $1.number }
    switch self.versions {
    case .latest(let count): return Array(sorted.suffix(max(0, count)))
    case .all: return sorted
    case .specific(let labels):
      let numbers = Set(labels.compactMap(ModelFolder.number(ofVersion:)))
      return sorted.filter { numbers.contains($0.number) }
    }
  }
}

extension ModelEntry {
  /// Bytes of a file of labels; more is refused.
  package static let labelsByteLimit = 1 << 20

  /// What the elements of an output stand for, by index; empty if `model.json` names no file for it.
  ///
  /// One label a line; a CR before the line's end and a byte order mark are dropped, empty lines keep their index.
  /// Blocks on the disk: call off the cooperative pool.
  /// - Throws: `.internalError` if the file can't be read, is too large, or isn't UTF-8.
  package func labels(for output: String) throws(HostError) -> [String] {
    guard let file = settings.labels[output] else { return [] }
    let bytes: [UInt8]
    do throws(SmallFile.Failure) {
      bytes = try SmallFile.read("\(path)/\(file)", limit: Self.labelsByteLimit)
    } catch {
      throw HostError(.internalError, "labels of output \(output): \(file) \(error)")
    }
    guard var text = String(validating: bytes, as: UTF8.self) else {
      throw HostError(.internalError, "labels of output \(output): \(file) is not UTF-8")
    }
    if text.unicodeScalars.first == "\u{FEFF}" { text.unicodeScalars.removeFirst() }
    var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    return lines.map { line in String(Substring(line.last == 13 ? line.dropLast() : line)) }
  }
}
