package import Inference
import Registry

/// What the registry says of a model beside its folder: how requests may call its versions.
package struct RegisteredModel: Sendable, Equatable {
  /// A label that is no number, a stage or an alias.
  package struct Word: Sendable, Equatable {
    let bytes: [UInt8]
    let number: Int

    package init(_ word: String, _ number: Int) {
      bytes = Array(word.utf8)
      self.number = number
    }
  }

  /// The version for requests that name none; nil for the highest.
  package let preferred: Int?
  package let words: [Word]
  /// Labels that aren't the number itself.
  package let labels: [Int: String]
  /// Header lines of answers, each with its CRLF, for versions that have something to say.
  package let notices: [Int: [UInt8]]

  package init(preferred: Int?, words: [Word], labels: [Int: String], notices: [Int: [UInt8]] = [:]) {
    self.preferred = preferred
    self.words = words
    self.labels = labels
    self.notices = notices
  }
}

/// How a request says which version it wants.
package enum VersionName {
  /// It doesn't.
  case preferred
  case number(Int)
  /// A label that is no number, a stage or an alias; in the request's buffer.
  case word(UnsafeRawBufferPointer)
}

/// What a model turned out to be when a runner loaded it.
package struct Introspection: Sendable {
  package let format: String
  package let runner: String
  package let inputs: [TensorSpec]
  package let outputs: [TensorSpec]
}

extension Router {
  /// Says before the start what is registered; nothing is loaded yet.
  package func register(_ all: [String: RegisteredModel]) { registered = all }

  /// Whether a model of this name comes from the operator's folder.
  package func hasOwnModel(_ name: String) -> Bool { models[name] != nil && registered[name] == nil }

  /// Serves what the registry's folder of a model holds now. Returns when it serves, and what it served before has gone.
  ///
  /// - Parameter model: Nil where it isn't registered any more.
  package func serve(_ name: String, as model: RegisteredModel?) async {
    registered[name] = model
    await serially(name) { await self.reconcile(name) }
  }

  /// Why a version of a registered model isn't served; nil if it is.
  package func reason(_ name: String, _ number: Int) -> String? {
    guard let version = models[name]?.versions[number] else { return "it is not in the model's folder" }
    return version.served == nil ? version.reason ?? "it is being loaded" : nil
  }
}

extension ModelEntry {
  /// Whatever `model.json` says: the registry decides what is served.
  var withAllVersions: ModelEntry {
    var settings = settings
    settings.versions = .all
    return ModelEntry(
      name: name, path: path, versions: versions, settings: settings, settingsProblem: settingsProblem)
  }
}
