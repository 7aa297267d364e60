/// One number of a tenant's limits, by the name it has in the configuration, in requests and in answers.
package enum QuotaField: String, CaseIterable, Sendable {
  case requestsPerSecond, burst, concurrentRequests, inputBytesPerSecond, computeSecondsPerDay
  case storedBytes, registeredModels, loadedModelBytes
  case weight

  /// What it may be set to.
  package var range: ClosedRange<Int> {
    switch self {
    case .requestsPerSecond, .burst, .concurrentRequests, .registeredModels: 0...1_000_000
    // What a bucket counts to.
    case .inputBytesPerSecond: 0...(1 << 32)
    case .computeSecondsPerDay: 0...1_000_000_000
    case .storedBytes, .loadedModelBytes: 0...(1 << 50)
    // Far more than a machine's cores: beyond it the smaller share rounds to nothing.
    case .weight: 1...1024
    }
  }
}

extension QuotaLimits {
  package subscript(field: QuotaField) -> Int {
    get { self[keyPath: Self.path(field)] }
    set { self[keyPath: Self.path(field)] = newValue }
  }

  private static func path(_ field: QuotaField) -> WritableKeyPath<QuotaLimits, Int> {
    switch field {
    case .requestsPerSecond: \.requestsPerSecond
    case .burst: \.burst
    case .concurrentRequests: \.concurrentRequests
    case .inputBytesPerSecond: \.inputBytesPerSecond
    case .computeSecondsPerDay: \.computeSecondsPerDay
    case .storedBytes: \.storedBytes
    case .registeredModels: \.registeredModels
    case .loadedModelBytes: \.loadedModelBytes
    case .weight: \.weight
    }
  }

  /// These, but for what a tenant has of its own.
  func with(_ own: [QuotaField: Int]) -> QuotaLimits {
    var limits = self
    for (field, value) in own { limits[field] = value }
    return limits
  }
}
