import Glibc
package import Inference
import StadionClient
package import Wire

/// Real inputs: files and folders of them, each file a request, or a file per input.
///
/// A model with one input takes every file. With several, `NAME.ext` belongs to input NAME and `NAME.TAG.ext` (or `-TAG`,
/// `_TAG`) is one of several; files with the same tag make a request, and one without a tag belongs to all of them.
package struct InputFiles {
  package struct Result {
    package var samples: [Sample] = []
    /// What a reader should know of how files became tensors, each once.
    package var notes: [String] = []
  }

  private struct File {
    let path: String
    let name: String
  }

  private static let mostSamples = 10_000
  private static let mostBytes = 1 << 30  // as much as one request may carry; all of them stay in memory

  private let specs: [TensorSpec]
  private let hints: [String: InputHints]

  /// - Parameter hints: `inputs` of the model's `model.json`.
  package init(_ specs: [TensorSpec], hints: JSONValue?) throws(HostError) {
    self.specs = specs
    var all: [String: InputHints] = [:]
    for spec in specs { all[spec.name] = try InputHints(hints?[spec.name], input: spec.name) }
    self.hints = all
  }

  /// - Parameter paths: Files, and folders whose files are taken in the order of their names; folders in them, and what
  ///   begins with a dot, are left out.
  package func read(_ paths: [String]) throws(HostError) -> Result {
    var files: [File] = []
    for path in paths {
      if let names = Self.names(in: path) {
        let inside = names.map { File(path: "\(path)/\($0)", name: $0) }.filter { !Self.isFolder($0.path) }
        guard !inside.isEmpty else { throw HostError(.notFound, "\(path) holds no file to take as an input") }
        files += inside
      } else {
        files.append(File(path: path, name: path.split(separator: "/").last.map(String.init) ?? path))
      }
    }
    let sets = specs.count == 1 ? files.map { ($0.name, [$0]) } : try sets(of: files)
    guard sets.count <= Self.mostSamples else {
      throw HostError(.invalidRequest, "\(sets.count) samples; at most \(Self.mostSamples) are taken")
    }
    var result = Result()
    var notes: [(note: String, count: Int)] = []
    var byteCount = 0
    for (name, files) in sets {
      var tensors: [DenseTensor] = []
      for (spec, file) in zip(specs, files) {
        let (tensor, note) = try tensor(file, spec)
        byteCount += tensor.bytes.count
        guard byteCount <= Self.mostBytes else {
          throw HostError(
            .invalidRequest, "the inputs exceed \(Self.mostBytes) bytes at \(file.path); give fewer files")
        }
        tensors.append(tensor)
        guard let note else { continue }
        if let known = notes.firstIndex(where: { $0.note == note }) {
          notes[known].count += 1
        } else {
          notes.append((note, 1))
        }
      }
      result.samples.append(Sample(name: name, tensors))
    }
    result.notes = notes.map { $0.count == 1 ? $0.note : "\($0.note) (\($0.count) files)" }
    return result
  }

  private func tensor(_ file: File, _ spec: TensorSpec) throws(HostError) -> (DenseTensor, String?) {
    let bytes = try FileBytes.read(file.path)
    let hints = hints[spec.name] ?? InputHints()
    do throws(HostError) {
      let (tensor, note) = try TensorReader(spec, hints: hints).read(file: bytes)
      let notes = [note, PictureTensor.note(bytes, tensor, hints), WaveFile.note(bytes, spec, hints)].compactMap { $0 }
      return (tensor, notes.isEmpty ? nil : notes.joined(separator: "; "))
    } catch {
      throw HostError(error.code, "\(file.path): \(error.description)")
    }
  }

  // MARK: Which file belongs where

  /// The files of each request, in the order of the model's inputs.
  private func sets(of files: [File]) throws(HostError) -> [(String, [File])] {
    let known = specs.map(\.name).joined(separator: ", ")
    var tags: [String] = []
    var places: [String: [String: File]] = [:]
    for file in files {
      guard let (input, tag) = place(file.name) else {
        throw HostError(
          .invalidRequest,
          "\(file.path) belongs to none of the inputs \(known); name files INPUT.npy, or INPUT.TAG.npy for several")
      }
      if let other = places[tag]?[input] {
        throw HostError(
          .invalidRequest, "\(other.path) and \(file.path) are both input \(input); give them tags of their own")
      }
      if places[tag] == nil, !tag.isEmpty { tags.append(tag) }
      places[tag, default: [:]][input] = file
    }
    var sets: [(String, [File])] = []
    for tag in tags.isEmpty ? [""] : tags {
      var found: [File] = []
      for spec in specs {
        guard let file = places[tag]?[spec.name] ?? places[""]?[spec.name] else {
          let name = tag.isEmpty ? spec.name : "\(spec.name).\(tag)"
          throw HostError(.invalidRequest, "no file for input \(spec.name); name one \(name).npy")
        }
        found.append(file)
      }
      sets.append((tag.isEmpty ? found.map(\.name).joined(separator: " + ") : tag, found))
    }
    return sets
  }

  /// The longest input name that the file's name begins with, and what follows it.
  private func place(_ name: String) -> (input: String, tag: String)? {
    let stem = name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name
    let fitting = specs.compactMap { spec -> (input: String, tag: String, length: Int)? in
      for word in [spec.name, Self.fileName(spec.name)] where stem.hasPrefix(word) {
        let rest = stem.dropFirst(word.count)
        if rest.isEmpty { return (spec.name, "", word.count) }
        if let first = rest.first, ".-_".contains(first), rest.count > 1 {
          return (spec.name, String(rest.dropFirst()), word.count)
        }
      }
      return nil
    }
    return fitting.max { $0.length < $1.length }.map { ($0.input, $0.tag) }
  }

  /// As `stadion infer --output` names the files of outputs.
  private static func fileName(_ name: String) -> String {
    String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) ? $0 : "_" })
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Sorted; nil for what is no folder.
  private static func names(in path: String) -> [String]? {
    guard let handle = opendir(path) else { return nil }
    defer { closedir(handle) }
    var names: [String] = []
    while let entry = readdir(handle) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }
}
