import Glibc
package import Inference
import Registry
import StadionClient
import Wire

/// Which runners take part, with which of the model's formats, and a host for each of them.
package struct Lineup {
  /// A runner that could serve a file of the model.
  package struct Entry: Sendable {
    package let name: String
    package let manifest: String
    /// In place of the manifest's, or beside them.
    package let options: [(key: String, value: String)]
    package let format: String
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
  package let place: ModelPlace
  private let executable: String
  private let work: WorkFolder

  /// - Parameters:
  ///   - candidates: Manifests in the order in which the host would choose.
  ///   - wishes: Empty for all that serve one of the formats.
  package init(
    _ place: ModelPlace, candidates: [Candidate], wishes: [RunnerWish], executable: String, work: WorkFolder
  ) throws(HostError) {
    self.place = place
    self.executable = executable
    self.work = work
    let formats = place.files.map(\.format)
    var entries: [Entry] = []
    func add(_ candidate: Candidate, _ name: String, _ options: [(key: String, value: String)]) {
      for format in formats where candidate.formats.contains(format) {
        let full = formats.count == 1 ? name : "\(name) \(format)"
        let same = entries.count { $0.name == full || $0.name.hasPrefix("\(full)#") }
        entries.append(
          Entry(
            name: same == 0 ? full : "\(full)#\(same + 1)", manifest: candidate.manifest, options: options,
            format: format))
      }
    }
    if wishes.isEmpty {
      let able = candidates.filter { candidate in formats.contains { candidate.formats.contains($0) } }
      for candidate in able { add(candidate, Self.short(candidate.id, among: able), []) }
    }
    for wish in wishes {
      let candidate = try Self.candidate(wish, among: candidates)
      let count = entries.count
      add(candidate, wish.text, wish.options)
      guard entries.count > count else {
        throw HostError(
          .unsupported,
          "\(candidate.id) serves \(candidate.formats.joined(separator: ", ")), "
            + "\(place.model) is \(formats.joined(separator: ", "))")
      }
    }
    guard !entries.isEmpty else {
      let known = candidates.map { "\($0.id): \($0.formats.joined(separator: ", "))" }.joined(separator: "; ")
      throw HostError(
        .unsupported,
        "no runner for format \(formats.joined(separator: " or ")) (\(known.isEmpty ? "no runners at all" : known)); "
          + "name a folder of manifests with --manifests")
    }
    self.entries = entries
  }

  private static func candidate(_ wish: RunnerWish, among candidates: [Candidate]) throws(HostError) -> Candidate {
    if wish.isFile { return try Candidate(file: wish.runner) }
    if let found = candidates.first(where: { wish.names($0.id) }) { return found }
    let known = candidates.map(\.id)
    let nearest = NearestWord.to(wish.runner, among: known).map { "did you mean \($0)?" }
    let list = known.isEmpty ? "there are none; name a folder with --manifests" : known.joined(separator: ", ")
    throw HostError(.notFound, "no runner \"\(wish.runner)\"; \(nearest ?? list)")
  }

  private static func short(_ id: String, among all: [Candidate]) -> String {
    let word = id.split(separator: ".").last.map(String.init) ?? id
    return all.count { $0.id.hasSuffix(".\(word)") } == 1 ? word : id
  }

  /// Starts a host for one entry and loads the model into it.
  ///
  /// - Parameters:
  ///   - number: Of the start; the hosts of two starts may live at the same time.
  ///   - ways: Of asking it beside its socket.
  package func start(
    _ index: Int, number: Int = 0, ways: [Way] = [], arguments: [String] = []
  ) throws(HostError) -> Subject {
    let entry = entries[index]
    let own = "\(work.path)/\(index)-\(number)"
    for folder in [own, "\(own)/models"] { try FileBytes.makeFolder(folder) }
    let manifest = try patched(entry)
    try FileBytes.write(Array(manifest.text.utf8), to: "\(own)/x.runner.json")
    let listens = ways.contains(.tcp) || ways.contains(.json)
    let host = try HostProcess(
      executable: executable, folder: own,
      arguments: ["--models", "\(own)/models", "--manifests", "\(own)/x.runner.json", "--no-watch"]
        + (listens ? ["--listen", "127.0.0.1:0", "--anonymous"] : []) + arguments)
    let subject = try Subject(name: entry.name, host: host, model: place.model) { () throws(HostError) in
      try linkModel(entry.format, into: "\(own)/models")
    }
    subject.again = { (next) throws(HostError) in try start(index, number: next, ways: ways, arguments: arguments) }
    if ways.contains(.inProcess) { try subject.openBare(executable: executable, folder: own) }
    return subject
  }

  private func patched(_ entry: Entry) throws(HostError) -> JSONValue {
    let json = try Candidate.json(entry.manifest)
    let folder = Candidate.folder(of: entry.manifest)
    return PatchedManifest.make(json, from: folder, options: entry.options, model: place.folder)
  }

  /// The model's folder with all that lies in it, but of its versions only the one that is measured, and of its
  /// formats only that of the entry.
  private func linkModel(_ format: String, into models: String) throws(HostError) {
    let (target, label) = ("\(models)/\(place.model.name)", place.version)
    try FileBytes.makeFolder(target)
    try FileBytes.makeFolder("\(target)/\(label)")
    let others = place.files.filter { $0.format != format }.map(\.path)
    try link(from: place.folder, into: target) { name, _ in !name.utf8.allSatisfy { (48...57).contains($0) } }
    try link(from: "\(place.folder)/\(label)", into: "\(target)/\(label)") { _, path in !others.contains(path) }
  }

  /// - Parameter isWanted: Told the name and the path behind it.
  private func link(
    from folder: String, into target: String, where isWanted: (String, String) -> Bool
  ) throws(HostError) {
    guard let handle = opendir(folder) else {
      throw HostError(.notFound, "can't read \(folder): \(String(cString: strerror(errno)))")
    }
    defer { closedir(handle) }
    while let entry = readdir(handle) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      guard !name.hasPrefix("."), let real = realpath("\(folder)/\(name)", nil) else { continue }
      defer { free(real) }
      guard isWanted(name, String(cString: real)) else { continue }
      guard symlink("\(folder)/\(name)", "\(target)/\(name)") == 0 else {
        throw HostError(.internalError, "can't link \(folder)/\(name): \(String(cString: strerror(errno)))")
      }
    }
  }
}
