import Admission
import Configuration

extension HostSettings {
  /// Of each tenant.
  static let quotas: [HostKey] = [
    .integer(
      "quota.requestsPerSecond", 0...1_000_000, \.quota.requestsPerSecond, flag: "--quota-requests-per-second",
      reloads: true, "Further inference requests get 429. 0 = no limit."),
    .integer(
      "quota.burst", 0...1_000_000, \.quota.burst, flag: "--quota-burst", reloads: true,
      "Requests that may come at once after a pause; 0 = a tenth of a second's, at least 2."),
    .integer(
      "quota.concurrentRequests", 0...1_000_000, \.quota.concurrentRequests, flag: "--quota-concurrent-requests",
      reloads: true, "Inference requests under way; further ones get 429. 0 = no limit."),
    // What a bucket counts to.
    .integer(
      "quota.inputBytesPerSecond", 0...(1 << 32), \.quota.inputBytesPerSecond, flag: "--quota-input-bytes-per-second",
      reloads: true, "Bytes of requests' bodies on average; then 429. 0 = no limit."),
    .integer(
      "quota.computeSecondsPerDay", 0...1_000_000_000, \.quota.computeSecondsPerDay,
      flag: "--quota-compute-seconds-per-day", reloads: true,
      "Run time of a day, UTC; then 429 until midnight. 0 = no limit."),
  ]
}
