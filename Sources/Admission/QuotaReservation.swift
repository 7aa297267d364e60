package import Inference

/// One request's part of its tenant's quota: commit or release it. Dropped, it is as if the request had never come.
package struct QuotaReservation: ~Copyable {
  // Retained by hand: only what is trivially destroyed can be discarded.
  private let quota: Unmanaged<Quota>
  private let inputBytes: Int

  init(_ quota: Quota, inputBytes: Int) {
    self.quota = .passRetained(quota)
    self.inputBytes = inputBytes
  }

  /// The request was answered.
  ///
  /// - Parameter computeNs: What its run took.
  package consuming func commit(computeNs: UInt64) {
    end(computeNs: computeNs, isUndone: false)
    discard self
  }

  /// The request failed. It counts all the same, unless the failure was the host's; run time counts always.
  package consuming func release(after error: HostError, computeNs: UInt64) {
    end(computeNs: computeNs, isUndone: error.code.isOfHost)
    discard self
  }

  deinit { end(computeNs: 0, isUndone: true) }

  private func end(computeNs: UInt64, isUndone: Bool) {
    let quota = quota.takeRetainedValue()
    quota.end(inputBytes: inputBytes, computeNs: computeNs, isUndone: isUndone)
  }
}

extension HostError.Code {
  /// A caller who does everything right gets it, too. Not a runner's failure: callers could crash it at no cost.
  fileprivate var isOfHost: Bool {
    switch self {
    case .overloaded, .storageUnavailable, .storageCorrupt, .internalError, .incompatibleRunner: true
    default: false
    }
  }
}
