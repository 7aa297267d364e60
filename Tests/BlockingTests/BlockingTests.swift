package import Testing
import Threads

/// Runs tests that block their thread, as a wait for a child process does, on threads of their own.
///
/// Swift has as many threads for tasks as there are CPUs. Tests that block them for seconds keep all others waiting,
/// whose limits then pass.
package struct BlockingTests: SuiteTrait, TestTrait, TestScoping {
  // As many at once as on a small machine's own threads: each starts processes.
  fileprivate static let few = RunThreads(name: "blocking-tests", limit: 2)
  fileprivate static let many = RunThreads(name: "waiting-tests", limit: 8)

  fileprivate let threads: RunThreads

  package var isRecursive: Bool { true }

  package func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    try await withTaskExecutorPreference(threads) { try await function() }
  }
}

extension Trait where Self == BlockingTests {
  /// The test, or each of the suite, blocks its thread.
  package static var blocking: Self { BlockingTests(threads: BlockingTests.few) }
  /// The same of tests that start no processes and mostly wait: those that take minutes don't hold them up until their
  /// time limits have passed.
  package static var waiting: Self { BlockingTests(threads: BlockingTests.many) }
}
