import Glibc
package import Inference
import Registry
package import StadionClient
import Wire

/// Where a model lies, and what it is.
package struct ModelPlace: Sendable {
  package let model: ModelID
  package let folder: String
  package let version: String
  package let format: String

  package init(model: ModelID, folder: String, version: String, format: String) {
    self.model = model
    self.folder = folder
    self.version = version
    self.format = format
  }

  /// In a repository's folder.
  package init(_ model: ModelID, in repository: String) throws(HostError) {
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
    self.init(model: model, folder: entry.path, version: found.label, format: found.format)
  }

  /// As a running host tells.
  package init(_ model: ModelID, of client: StadionClient) throws(HostError) {
    let report = try client.model(model.name)
    let versions = report["versions"]?.array ?? []
    let found =
      model.version.map { label in versions.first { $0["version"]?.string == label } }
      ?? versions.last { $0["state"] == "READY" } ?? versions.last
    guard let folder = report["folder"]?.string, let found, let version = found["version"]?.string,
      let format = found["format"]?.string
    else {
      throw HostError(
        .unsupported,
        "the host doesn't say where \(model) lies; name its folder with --models, or measure the host "
          + "itself with --direct")
    }
    self.init(model: model, folder: folder, version: version, format: format)
  }
}
