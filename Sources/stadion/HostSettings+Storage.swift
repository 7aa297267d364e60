import Catalog
import Configuration

extension HostSettings {
  static let storage: [HostKey] = [
    .list(
      "storage.sources", "URI[ URI]", separator: " ", \.catalog.fetching.sources, standard: "none",
      flag: "--storage-sources",
      "Buckets and folders that models may be registered from, as s3://bucket/prefix?region=…; see docs/registry.md."),
    .text(
      "storage.uploads", "URI", \.catalog.fetching.uploads, standard: "none", flag: "--storage-uploads",
      "Where uploads are put before they are registered, as s3://bucket/prefix?region=…; this host's alone."),
    .integer(
      "storage.maxFetches", 1...64, \.catalog.fetching.maxJobs, flag: "--storage-max-fetches",
      "Registrations that fetch at once; further ones wait."),
    .integer(
      "storage.jobKeepMs", 1000...(365 * 86_400_000), \.catalog.fetching.jobKeepMs, flag: "--storage-job-keep-ms",
      "Jobs are forgotten so long after their end."),
    .integer(
      "storage.cacheBytes", 0...(1 << 50), \.catalog.fetching.cacheBytes, flag: "--storage-cache-bytes",
      "Files that storage has, too, and that stay here though nothing serves them; what is served counts. 0 = no limit."
    ),
  ]
}
