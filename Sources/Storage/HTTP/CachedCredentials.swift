import Inference
import Synchronization

/// Credentials that are fetched when they are first needed, and again before they end.
final class CachedCredentials<Value: Sendable>: Sendable {
  struct Fetched: Sendable {
    let value: Value
    /// Nil for those that last.
    let end: CivilTime?
  }

  /// Fetched anew so long before their end that no request outlives them.
  private let margin = 300
  private let fetch: @Sendable (StorageCall) throws(HostError) -> Fetched
  private let current = Mutex<Fetched?>(nil)

  init(_ fetch: @escaping @Sendable (StorageCall) throws(HostError) -> Fetched) { self.fetch = fetch }

  func value(_ call: StorageCall) throws(HostError) -> Value {
    if let current = current.withLock({ $0 }), current.end.map({ CivilTime.now + margin < $0 }) ?? true {
      return current.value
    }
    // Two threads may fetch at once: better than one that waits for the other's server.
    let fetched = try fetch(call)
    current.withLock { $0 = fetched }
    return fetched.value
  }

  /// True if there were any that could be others next time.
  func forget() -> Bool {
    current.withLock { current in
      defer { current = nil }
      return current?.end != nil
    }
  }
}
