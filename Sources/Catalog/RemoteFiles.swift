import Inference
import Storage

/// The files of a version that lies in storage.
struct RemoteFiles {
  struct File {
    let key: ObjectKey
    /// In the version's folder.
    let path: String
    let uri: String
  }

  let source: any ObjectSource
  let files: [File]

  /// Finds them: the object that `uri` names, or those below it. Blocks.
  ///
  /// - Throws: `.notFound` where there is none.
  init(_ uri: String, in place: StorageSources.Place, maxFiles: Int, _ call: StorageCall) throws(HostError) {
    source = try place.open()
    let base = String(uri.reversed().drop { $0 == "/" }.reversed())
    if !place.path.isEmpty, !uri.hasSuffix("/"), try source.facts(of: ObjectKey(place.path), call) != nil {
      files = [File(key: try ObjectKey(place.path), path: Self.fileName(base), uri: base)]
      return
    }
    var found: [File] = []
    let prefix = place.path.isEmpty ? "" : "\(place.path)/"
    try source.list(prefix: prefix, call) { (facts) throws(HostError) in
      let path = String(facts.key.text.dropFirst(prefix.count))
      // As in folders: what begins with a dot is no part of a model.
      guard !path.split(separator: "/").contains(where: { $0.hasPrefix(".") }) else { return }
      guard found.count < maxFiles else {
        throw HostError(.invalidRequest, "\(base) holds more than \(maxFiles) files; name the folder of one version")
      }
      found.append(File(key: facts.key, path: path, uri: "\(base)/\(path)"))
    }
    guard !found.isEmpty else {
      throw HostError(
        .notFound, "there is nothing at \(base) (\(source.description) has neither such an object nor one below it)")
    }
    files = found.sorted { $0.path < $1.path }
  }

  /// A file of any name is `model` and its ending; runners know formats by it.
  private static func fileName(_ uri: String) -> String {
    let name = uri.split(separator: "/").last.map(String.init) ?? ""
    guard !name.hasPrefix("model."), let dot = name.lastIndex(of: ".") else { return name }
    return "model\(name[dot...])"
  }
}
