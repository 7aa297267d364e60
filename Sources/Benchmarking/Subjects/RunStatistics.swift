package import Wire

/// A model's runs as its server counts them: the `compute_infer` of the protocol's statistics extension.
package struct RunStatistics: Sendable, Equatable {
  package private(set) var count: UInt64 = 0
  package private(set) var ns: UInt64 = 0

  package init() {}

  /// - Parameter json: An answer of `/v2/models/M/stats`; versions count together. Nil for anything else.
  package init?(_ json: JSONValue) {
    guard let models = json["model_stats"]?.array, !models.isEmpty else { return nil }
    for model in models {
      let runs = model["inference_stats"]?["compute_infer"]
      guard let count = runs?["count"]?.int.flatMap({ UInt64(exactly: $0) }),
        let ns = runs?["ns"]?.int.flatMap({ UInt64(exactly: $0) })
      else { return nil }
      self.count &+= count
      self.ns &+= ns
    }
  }

  /// Nil when there was no run in between, or when the server began to count anew.
  package func since(_ earlier: RunStatistics) -> RunStatistics? {
    guard count > earlier.count, ns >= earlier.ns else { return nil }
    var result = self
    result.count -= earlier.count
    result.ns -= earlier.ns
    return result
  }

  package mutating func add(_ other: RunStatistics) {
    count &+= other.count
    ns &+= other.ns
  }
}
