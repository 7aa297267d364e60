package import Inference

/// Where a host keeps what was uploaded to it, beside its own folder: content under its digest, below a location that is
/// this host's alone.
package struct UploadPlace: Sendable {
  private let location: StorageLocation
  private let environment: [String: String]
  /// What URIs of its content begin with; without options.
  package let prefix: String

  /// - Parameters:
  ///   - text: As `StorageLocation` reads it.
  ///   - folder: The host's own, where content is that may be deleted as long as it is here.
  ///   - sources: What requests may name: nothing of it.
  ///   - environment: For credentials.
  package init(
    _ text: String, apartFrom folder: String, _ sources: StorageSources, environment: [String: String]
  ) throws(HostError) {
    do throws(HostError) {
      location = try StorageLocation(text)
      try location.check()
      guard try !location.overlaps(StorageLocation(folder)) else {
        throw HostError(
          .invalidRequest, "it overlaps with the host's own folder \(folder); choose a place apart from it")
      }
      if let source = sources.first(overlapping: location) {
        throw HostError(
          .invalidRequest,
          "it overlaps with \(source) of storage.sources, whose tenants could register each other's uploads; choose "
            + "a place apart from it")
      }
    } catch {
      throw HostError(.invalidRequest, "storage.uploads \(text.prefix(200)): \(error.message)")
    }
    self.environment = environment
    prefix = "\(location.withoutOptions)/"
  }

  package func uri(of digest: SHA256Digest) -> String { prefix + ObjectKey(content: digest).text }

  /// May block on files that hold credentials; nothing is asked yet.
  package func open() throws(HostError) -> ContentStore {
    ContentStore(try location.open(environment: environment))
  }
}
