package import Inference
import Synchronization

/// How many jobs wait, run, and have ended since the start, by tenant. Any thread.
///
/// The database's table forgets jobs some time after their end, and `/metrics` shall not wait for it.
package final class JobCounts: Sendable {
  /// Of one tenant.
  package struct Counts: Sendable {
    package fileprivate(set) var queued: UInt64 = 0
    package fileprivate(set) var running: UInt64 = 0
    package fileprivate(set) var done: UInt64 = 0
    package fileprivate(set) var failed: UInt64 = 0
    package fileprivate(set) var cancelled: UInt64 = 0

    package static func += (sum: inout Counts, other: Counts) {
      sum.queued += other.queued
      sum.running += other.running
      sum.done += other.done
      sum.failed += other.failed
      sum.cancelled += other.cancelled
    }

    fileprivate subscript(state: RegistrationJob.State) -> UInt64 {
      get { self[keyPath: Self.path(state)] }
      set { self[keyPath: Self.path(state)] = newValue }
    }

    private static func path(_ state: RegistrationJob.State) -> WritableKeyPath<Counts, UInt64> {
      switch state {
      case .queued: \.queued
      case .running: \.running
      case .done: \.done
      case .failed: \.failed
      case .cancelled: \.cancelled
      }
    }
  }

  private struct Open: Sendable {
    let tenant: TenantID
    var state: RegistrationJob.State
  }

  private struct State: Sendable {
    /// By id.
    var open: [String: Open] = [:]
    var counts: [TenantID: Counts] = [:]
  }

  private let state = Mutex(State())

  init() {}

  package var byTenant: [TenantID: Counts] { state.withLock { $0.counts } }

  func queue(_ id: String, of tenant: TenantID) {
    state.withLock { state in
      state.open[id] = Open(tenant: tenant, state: .queued)
      state.counts[tenant, default: Counts()].queued += 1
    }
  }

  /// Does nothing for a job that has ended: whoever ends it and whoever does it need not know of each other.
  func move(_ id: String, to new: RegistrationJob.State) {
    state.withLock { state in
      guard let job = state.open[id] else { return }
      state.counts[job.tenant, default: Counts()][job.state] -= 1
      state.counts[job.tenant, default: Counts()][new] += 1
      state.open[id] = new.isOver ? nil : Open(tenant: job.tenant, state: new)
    }
  }
}
