import Glibc
package import Inference
package import Manifests
package import StadionClient
import Wire

/// A runner's manifest as the lineup needs it.
package struct Candidate: Sendable {
  package let id: String
  package let manifest: String
  package let formats: [String]

  package init(id: String, manifest: String, formats: [String]) {
    self.id = id
    self.manifest = manifest
    self.formats = formats
  }

  init(file: String) throws(HostError) {
    let json = try Self.json(file)
    guard let id = json["id"]?.string else { throw HostError(.invalidRequest, "\(file) names no id") }
    self.init(
      id: id, manifest: file, formats: json["models"]?["formats"]?.array?.compactMap(\.string) ?? [])
  }

  /// What a search of manifests found, as the host would prefer them.
  package static func all(_ result: ManifestSearch.Result) -> [Candidate] {
    result.manifests.sorted { ($1.priority, $0.id) < ($0.priority, $1.id) }
      .map { Candidate(id: $0.id, manifest: $0.sourcePath, formats: $0.models.formats) }
  }

  /// What a running host uses.
  package static func all(of client: StadionClient) throws(HostError) -> [Candidate] {
    let runners = (try client.runners()["runners"]?.array ?? []).sorted {
      ($1["priority"]?.int ?? 0, $0.text) < ($0["priority"]?.int ?? 0, $1.text)
    }
    return runners.compactMap { runner in
      guard let id = runner["id"]?.string, let manifest = runner["manifest"]?.string else { return nil }
      return Candidate(
        id: id, manifest: manifest, formats: runner["formats"]?.array?.compactMap(\.string) ?? [])
    }
  }

  static func json(_ file: String) throws(HostError) -> JSONValue {
    do { return try JSONValue(parsing: try FileBytes.read(file)) } catch let error as JSONError {
      throw HostError(.invalidRequest, "\(file) is no JSON", cause: error)
    } catch let error as HostError {
      throw error
    } catch {
      throw HostError(.internalError, "\(file) can't be read", cause: error)
    }
  }

  /// Absolute, links resolved, as `@manifest/` means it.
  static func folder(of manifest: String) -> String {
    guard let real = realpath(manifest, nil) else { return "." }
    defer { free(real) }
    let path = String(cString: real)
    return path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "/"
  }
}
