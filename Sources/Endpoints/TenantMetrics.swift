import Admission
import Catalog
import Inference
import Telemetry
import Wire

/// Writes what `/metrics` says of tenants; those beyond a limit are summed in one.
struct TenantMetrics {
  private let text: MetricsText
  private let out: ByteBuffer
  private let limit: Int

  init(_ text: MetricsText, _ out: ByteBuffer, limit: Int) {
    self.text = text
    self.out = out
    self.limit = limit
  }

  /// - Parameter quotas: By name.
  func quotas(_ quotas: [(tenant: TenantID, quota: Quota)]) {
    let named = quotas.prefix(limit).map { (name: $0.tenant.text, quota: $0.quota) }
    let limits = MetricsText.Family(
      "stadion_quota_limit", .gauge, "What a tenant may use, by the names of the configuration; none without a limit.")
    text.begin(limits, out)
    for (name, quota) in named {
      let values = quota.limits
      for limit in QuotaLimit.allCases where values.value(of: limit) > 0 {
        text.sample(limits, Self.labels(name, limit), UInt64(values.value(of: limit)), out)
      }
    }
    let refused = MetricsText.Family(
      "stadion_quota_refusals", .counter, "Requests that were refused because of a tenant's limit.")
    text.begin(refused, out)
    for (name, counts) in summed(quotas.map { ($0.tenant, $0.quota.refusals) }, { $0.merge($1) { $0 &+ $1 } }) {
      for limit in QuotaLimit.allCases { text.sample(refused, Self.labels(name, limit), counts[limit] ?? 0, out) }
    }
    gauge(
      .init("stadion_tenant_requests_active", .gauge, "Inference requests under way."),
      quotas.map { ($0.tenant, UInt64($0.quota.activeCount)) })
    let usages = quotas.map { ($0.tenant, $0.quota.usage) }
    gauge(
      .init("stadion_quota_day_requests", .gauge, "Requests that were let in on the day of the last one, UTC."),
      usages.map { ($0, $1.requests) })
    gauge(
      .init("stadion_quota_day_input_bytes", .gauge, unit: "bytes", "Their bodies."),
      usages.map { ($0, $1.inputBytes) })
    let compute = MetricsText.Family(
      "stadion_quota_day_compute_seconds", .gauge, unit: "seconds", "The run time that they took.")
    text.begin(compute, out)
    for (name, ns) in summed(usages.map { ($0, $1.computeNs) }, { $0 &+= $1 }) {
      text.sample(compute, MetricsPreamble.labels(("tenant", name)), seconds: ns, out)
    }
  }

  /// - Parameter counts: By tenant.
  func uploads(_ counts: [TenantID: Int]) {
    gauge(
      .init("stadion_uploads_active", .gauge, "Uploads that somebody has begun or gone on with since the start."),
      counts.sorted { $0.key < $1.key }.map { ($0.key, UInt64($0.value)) })
  }

  /// - Parameter counts: By tenant.
  func jobs(_ counts: [TenantID: JobCounts.Counts]) {
    let sums = summed(counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }, { $0 += $1 })
    let open = MetricsText.Family("stadion_jobs", .gauge, "Registrations from storage that wait or run.")
    text.begin(open, out)
    for (name, count) in sums {
      for (state, value) in [("queued", count.queued), ("running", count.running)] {
        text.sample(open, MetricsPreamble.labels(("tenant", name), ("state", state)), value, out)
      }
    }
    let ended = MetricsText.Family("stadion_jobs_ended", .counter, "Registrations from storage that are over.")
    text.begin(ended, out)
    for (name, count) in sums {
      for (result, value) in [("done", count.done), ("failed", count.failed), ("cancelled", count.cancelled)] {
        text.sample(ended, MetricsPreamble.labels(("tenant", name), ("result", result)), value, out)
      }
    }
  }

  private func gauge(_ family: MetricsText.Family, _ values: [(TenantID, UInt64)]) {
    text.begin(family, out)
    for (name, value) in summed(values, { $0 &+= $1 }) {
      text.sample(family, MetricsPreamble.labels(("tenant", name)), value, out)
    }
  }

  /// By name, and the rest as one.
  private func summed<Value>(
    _ values: [(TenantID, Value)], _ add: (inout Value, Value) -> Void
  ) -> [(name: String, value: Value)] {
    var all = values.prefix(limit).map { (name: $0.0.text, value: $0.1) }
    let rest = values.dropFirst(limit)
    guard var sum = rest.first?.1 else { return all }
    for (_, value) in rest.dropFirst() { add(&sum, value) }
    all.append((SeriesBook.othersName, sum))
    return all
  }

  private static func labels(_ tenant: String, _ limit: QuotaLimit) -> [UInt8] {
    MetricsPreamble.labels(("tenant", tenant), ("limit", limit.rawValue))
  }
}
