import Glibc
package import Inference
import StadionClient
import Wire

/// Which runners take part, and a host for each of them.
package struct Lineup {
  /// A runner that could serve the model: its manifest's file and what is changed in it.
  package struct Entry: Sendable {
    package let name: String
    package let id: String
    package let manifest: String
    package let options: [(key: String, value: String)]
  }

  /// A runner that was to take part and can't.
  package struct Absent: Sendable, Equatable {
    package let name: String
    package let reason: String

    package init(name: String, reason: String) {
      self.name = name
      self.reason = reason
    }
  }

  package let entries: [Entry]
  package let model: ModelID
  /// The model's folder.
  let folder: String
  let version: String
  private let executable: String
  private let work: WorkFolder

  /// - Parameters:
  ///   - candidates: Manifests in the order in which the host would choose: id, file, formats.
  ///   - wishes: Empty for all that serve the format.
  package init(
    _ place: ModelPlace, candidates: [Candidate], wishes: [RunnerWish], executable: String, work: WorkFolder
  ) throws(HostError) {
    model = place.model
    folder = place.folder
    version = place.version
    self.executable = executable
    self.work = work
    let able = candidates.filter { $0.formats.contains(place.format) }
    if wishes.isEmpty {
      entries = able.map { Entry(name: Self.short($0.id, among: able), id: $0.id, manifest: $0.manifest, options: []) }
    } else {
      var entries: [Entry] = []
      for wish in wishes {
        let found = wish.isFile ? try Candidate(file: wish.runner) : candidates.first { wish.names($0.id) }
        guard let found else {
          let known = candidates.map(\.id)
          let nearest = NearestWord.to(wish.runner, among: known).map { "did you mean \($0)?" }
          let list = known.isEmpty ? "there are none; name a folder with --manifests" : known.joined(separator: ", ")
          throw HostError(.notFound, "no runner \"\(wish.runner)\"; \(nearest ?? list)")
        }
        let same = entries.count { $0.name == wish.text || $0.name.hasPrefix("\(wish.text)#") }
        let name = same == 0 ? wish.text : "\(wish.text)#\(same + 1)"
        entries.append(Entry(name: name, id: found.id, manifest: found.manifest, options: wish.options))
      }
      self.entries = entries
    }
    guard !entries.isEmpty else {
      let known = candidates.map { "\($0.id): \($0.formats.joined(separator: ", "))" }.joined(separator: "; ")
      throw HostError(
        .unsupported,
        "no runner for format \(place.format) (\(known.isEmpty ? "no runners at all" : known)); "
          + "name a folder of manifests with --manifests")
    }
  }

  private static func short(_ id: String, among all: [Candidate]) -> String {
    let word = id.split(separator: ".").last.map(String.init) ?? id
    return all.count { $0.id.hasSuffix(".\(word)") } == 1 ? word : id
  }

  /// Starts a host for one entry and loads the model into it.
  ///
  /// - Parameter number: Of the start; the hosts of two starts may live at the same time.
  package func start(_ index: Int, number: Int = 0, arguments: [String] = []) throws(HostError) -> Subject {
    let entry = entries[index]
    let own = "\(work.path)/\(index)-\(number)"
    for folder in [own, "\(own)/models"] { try FileBytes.makeFolder(folder) }
    let manifest = try patched(entry)
    try FileBytes.write(Array(manifest.text.utf8), to: "\(own)/x.runner.json")
    let host = try HostProcess(
      executable: executable, folder: own,
      arguments: ["--models", "\(own)/models", "--manifests", "\(own)/x.runner.json", "--no-watch"] + arguments)
    let subject = try Subject(name: entry.name, host: host, model: model) { () throws(HostError) in
      try linkModel(into: "\(own)/models")
    }
    subject.again = { (next) throws(HostError) in try start(index, number: next, arguments: arguments) }
    return subject
  }

  private func patched(_ entry: Entry) throws(HostError) -> JSONValue {
    let json = try Candidate.json(entry.manifest)
    let folder = Candidate.folder(of: entry.manifest)
    return PatchedManifest.make(json, from: folder, options: entry.options, model: self.folder)
  }

  /// The model's folder with all that lies in it, but of its versions only the one that is measured.
  private func linkModel(into models: String) throws(HostError) {
    let target = "\(models)/\(model.name)"
    try FileBytes.makeFolder(target)
    guard let handle = opendir(folder) else {
      throw HostError(.notFound, "can't read \(folder): \(String(cString: strerror(errno)))")
    }
    defer { closedir(handle) }
    while let entry = readdir(handle) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      let isVersion = name.utf8.allSatisfy { (48...57).contains($0) }
      if name.hasPrefix(".") || isVersion && name != version { continue }
      guard symlink("\(folder)/\(name)", "\(target)/\(name)") == 0 else {
        throw HostError(.internalError, "can't link \(folder)/\(name): \(String(cString: strerror(errno)))")
      }
    }
  }
}
