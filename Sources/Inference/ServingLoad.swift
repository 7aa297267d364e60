package import Synchronization

/// What one tenant's connections take of the server. Any thread.
package final class ServingLoad: Sendable {
  package let connections = Atomic<Int>(0)
  /// Of large bodies under way.
  package let bodyBytes = Atomic<Int>(0)

  package init() {}
}
