import Glibc
package import Inference
package import Registry
package import StadionClient
import Wire

/// Where a model lies, and the files that it can be loaded from.
package struct ModelPlace: Sendable {
  package let model: ModelID
  /// The model's folder, links resolved.
  package let folder: String
  package let version: String
  /// The same model, a format each; never empty.
  package let files: [ModelFile]

  package init(model: ModelID, folder: String, version: String, files: [ModelFile]) {
    self.model = model
    self.folder = folder
    self.version = version
    self.files = files
  }

  /// In a repository's folder.
  ///
  /// - Parameter formats: Those that take part; empty for all.
  package init(_ model: ModelID, in repository: String, formats: [String] = []) throws(HostError) {
    var problems: [String] = []
    guard let root = realpath(repository, nil) else {
      throw HostError(.notFound, "--models \(repository): \(String(cString: strerror(errno)))")
    }
    defer { free(root) }
    guard let entry = ModelFolder.model(model.name, root: String(cString: root), problems: &problems) else {
      let known = ModelFolder.scan(root: String(cString: root)).models.map(\.name)
      let nearest = NearestWord.to(model.name, among: known).map { "did you mean \($0)?" }
      let list = known.isEmpty ? "it holds none" : "there are \(known.joined(separator: ", "))"
      throw HostError(.notFound, "no model \"\(model.name)\" in \(repository); \(nearest ?? list)")
    }
    if let problem = entry.settingsProblem { throw HostError(.invalidRequest, "\(model.name): \(problem)") }
    let usable = entry.versions.filter { $0.problem == nil }
    let found = model.version.map { label in usable.first { $0.label == label } } ?? usable.last
    guard let found else {
      let reasons = entry.versions.compactMap { version in version.problem.map { "\(version.label): \($0)" } }
      throw HostError(
        .notFound,
        "\(model.name) has no version \(model.version ?? "that can be served")"
          + (reasons.isEmpty ? "" : " (\(reasons.joined(separator: "; ")))"))
    }
    let sound = found.files.filter { $0.problem == nil }
    if let unknown = formats.first(where: { format in !sound.contains { $0.format == format } }) {
      let known = sound.map(\.format).joined(separator: ", ")
      throw HostError(.notFound, "\(model.name):\(found.label) has no format \"\(unknown)\"; it has \(known)")
    }
    self.init(
      model: model, folder: entry.path, version: found.label,
      files: sound.filter { formats.isEmpty || formats.contains($0.format) })
  }

  /// Where a running host on this machine says that it has the model.
  package init(_ model: ModelID, of client: StadionClient, formats: [String] = []) throws(HostError) {
    guard let folder = try client.model(model.name)["folder"]?.string, let slash = folder.lastIndex(of: "/") else {
      throw HostError(
        .unsupported,
        "the host doesn't say where \(model) lies; name its repository with --models, or measure the host itself "
          + "with --direct")
    }
    try self.init(model, in: String(folder[..<slash]), formats: formats)
  }
}
