/// Where models may be fetched from, and what is kept of them here.
package struct FetchOptions: Sendable {
  /// As `StorageSources` reads them; nil for none.
  package var sources: [String]?
  /// Where uploads are kept, too, as `StorageLocation` reads it; nil for nowhere else.
  package var uploads: String?
  /// What credentials come from.
  package var environment: [String: String] = [:]
  /// Registrations that fetch at once; further ones wait.
  package var maxJobs = 2
  /// Jobs are forgotten so long after their end.
  package var jobKeepMs = 7 * 86_400_000
  /// Content that could be fetched again stays on this machine up to this; 0 for no limit.
  package var cacheBytes = 0

  package init() {}
}
