package import Inference

/// Places that models may be fetched from, as the operator has listed them: locations, each with `tenants=a,b` where
/// others may not.
///
/// A request names what lies in one of them and nothing else of it: which server is asked, and as whom, is never up to
/// the request.
package struct StorageSources: Sendable {
  private struct Source {
    let location: StorageLocation
    /// Nil for all.
    let tenants: [String]?
  }

  /// Something in a source.
  package struct Place: Sendable {
    fileprivate let location: StorageLocation
    fileprivate let environment: [String: String]
    /// Below the source; empty for all of it.
    package let path: String

    /// What it lies in. May block on files that hold credentials; nothing is asked yet.
    package func open() throws(HostError) -> any ObjectSource {
      // Nothing is written below it, not even a folder for what is being written.
      if location.scheme == "file" { return try SourceFolder(location.path[0]) }
      return try location.open(environment: environment)
    }
  }

  private let sources: [Source]
  private let environment: [String: String]

  /// - Parameter environment: For credentials.
  /// - Throws: What is wrong with which.
  package init(_ texts: [String] = [], environment: [String: String] = [:]) throws(HostError) {
    var sources: [Source] = []
    for text in texts {
      do throws(HostError) { sources.append(try Self.source(text)) } catch {
        throw HostError(.invalidRequest, "source \(text.prefix(200)): \(error.message)")
      }
    }
    self.sources = sources
    self.environment = environment
  }

  private static func source(_ text: String) throws(HostError) -> Source {
    let parts = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    var options = parts.count == 2 ? parts[1].split(separator: "&") : []
    let tenants = options.first { $0.hasPrefix("tenants=") }?.dropFirst("tenants=".count)
    options.removeAll { $0.hasPrefix("tenants=") }
    let location = try StorageLocation(parts[0] + (options.isEmpty ? "" : "?\(options.joined(separator: "&"))"))
    try location.check()
    return Source(location: location, tenants: tenants?.split(separator: ",").map(String.init))
  }

  /// Where a location that a request names lies.
  ///
  /// - Throws: `.forbidden` where no source that the tenant may use has it.
  package func find(_ uri: String, tenant: TenantID) throws(HostError) -> Place {
    guard uri.utf8.count <= 2048, uri.contains("://") else {
      throw HostError(.invalidRequest, "'uri' must be s3://…, gs://…, azure://… or file:///…, with up to 2048 bytes")
    }
    let wanted = try StorageLocation(uri)
    guard wanted.options.isEmpty else {
      throw HostError(.invalidRequest, "'uri' can't have options; the operator's storage.sources has them")
    }
    var best: Place?
    for source in sources where source.tenants?.contains(tenant.text) ?? true {
      guard let path = source.location.path(to: wanted), path.utf8.count < best?.path.utf8.count ?? .max else {
        continue
      }
      best = Place(location: source.location, environment: environment, path: path)
    }
    guard let best else {
      throw HostError(
        .forbidden, "nothing may be fetched from \(uri.prefix(200)); ask the operator to list it in storage.sources")
    }
    return best
  }

  /// A source that lies in a location, or in which it lies, whichever servers they are on.
  func first(overlapping location: StorageLocation) -> String? {
    sources.first { $0.location.overlaps(location) }?.location.withoutOptions
  }
}

extension StorageLocation {
  /// Parts of a folder's path, or of what a provider has.
  private var parts: [String] { scheme == "file" ? path[0].split(separator: "/").map(String.init) : path }

  /// The way from here to another location; nil where that doesn't lie in this one.
  fileprivate func path(to other: StorageLocation) -> String? {
    let (parts, others) = (parts, other.parts)
    guard scheme == other.scheme, scheme != "file" || other.path[0].hasPrefix("/"), others.starts(with: parts),
      others.allSatisfy({ $0 != "." && $0 != ".." })
    else { return nil }
    return others.dropFirst(parts.count).joined(separator: "/")
  }

  func overlaps(_ other: StorageLocation) -> Bool { path(to: other) != nil || other.path(to: self) != nil }

  /// As operators write it, but for options and superfluous slashes.
  var withoutOptions: String { "\(scheme)://\(scheme == "file" ? "/" : "")\(parts.joined(separator: "/"))" }

  /// What can be told without asking anybody, and without credentials.
  func check() throws(HostError) {
    guard scheme == "file" else {
      _ = try withoutFiles.open(environment: ["AZURE_STORAGE_KEY": "AAAA", "GCE_METADATA_HOST": "localhost"])
      return
    }
    guard path[0].hasPrefix("/"), parts.allSatisfy({ $0 != "." && $0 != ".." }) else {
      throw HostError(.invalidRequest, "a folder is an absolute path without . and ..")
    }
  }
}
