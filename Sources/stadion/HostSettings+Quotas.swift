import Admission
import Configuration

extension HostSettings {
  /// Of each tenant that has no limits of its own.
  static let quotas: [HostKey] = [
    .integer(
      "quota.requestsPerSecond", QuotaField.requestsPerSecond.range, \.quota.requestsPerSecond,
      flag: "--quota-requests-per-second",
      reloads: true, "Further inference requests get 429. 0 = no limit."),
    .integer(
      "quota.burst", QuotaField.burst.range, \.quota.burst, flag: "--quota-burst", reloads: true,
      "Requests that may come at once after a pause; 0 = a tenth of a second's, at least 2."),
    .integer(
      "quota.concurrentRequests", QuotaField.concurrentRequests.range, \.quota.concurrentRequests,
      flag: "--quota-concurrent-requests",
      reloads: true, "Inference requests under way; further ones get 429. 0 = no limit."),
    .integer(
      "quota.inputBytesPerSecond", QuotaField.inputBytesPerSecond.range, \.quota.inputBytesPerSecond,
      flag: "--quota-input-bytes-per-second",
      reloads: true, "Bytes of requests' bodies on average; then 429. 0 = no limit."),
    .integer(
      "quota.computeSecondsPerDay", QuotaField.computeSecondsPerDay.range, \.quota.computeSecondsPerDay,
      flag: "--quota-compute-seconds-per-day", reloads: true,
      "Run time of a day, UTC; then 429 until midnight. 0 = no limit."),
    .integer(
      "quota.storedBytes", QuotaField.storedBytes.range, \.quota.storedBytes, flag: "--quota-stored-bytes",
      reloads: true, "Bytes of registered versions and uploads; then 429. 0 = no limit."),
    .integer(
      "quota.registeredModels", QuotaField.registeredModels.range, \.quota.registeredModels,
      flag: "--quota-registered-models", reloads: true, "Further models get 429. 0 = no limit."),
    .integer(
      "quota.loadedModelBytes", QuotaField.loadedModelBytes.range, \.quota.loadedModelBytes,
      flag: "--quota-loaded-model-bytes", reloads: true,
      "Memory of models that are loaded; others aren't loaded then. 0 = no limit."),
  ]
}
