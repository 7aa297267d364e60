import Inference
import Storage
import Threads

/// Jobs that fetch: so many at once, the others wait their turn. Owns their tasks.
actor FetchQueue {
  typealias Work = @Sendable (Fetch) async -> Void

  private let limit: Int
  /// Where transfers block; jobs take at most half of them.
  nonisolated let threads: RunThreads
  private var waiting: [(id: String, work: Work)] = []
  private var running: [String: (fetch: Fetch, task: Task<Void, Never>)] = [:]
  private var isOpen = false

  init(limit: Int) {
    self.limit = limit
    threads = RunThreads(name: "fetch", limit: limit * 2)
  }

  deinit { threads.end() }

  /// Has the first jobs begin: there are runners now to look at what they fetch.
  func open() {
    isOpen = true
    startNext()
  }

  /// Does nothing for a job that waits or runs.
  func add(_ id: String, _ work: @escaping Work) {
    guard running[id] == nil, !waiting.contains(where: { $0.id == id }) else { return }
    waiting.append((id, work))
    startNext()
  }

  private func startNext() {
    while isOpen, running.count < limit, !waiting.isEmpty {
      let (id, work) = waiting.removeFirst()
      let fetch = Fetch()
      let task = Task(executorPreference: threads) {
        await work(fetch)
        await self.ended(id)
      }
      running[id] = (fetch, task)
    }
  }

  private func ended(_ id: String) {
    running[id] = nil
    startNext()
  }

  func fetch(_ id: String) -> Fetch? { running[id]?.fetch }

  /// Ends a job's transfer soon; one that waits never begins.
  func cancel(_ id: String) {
    waiting.removeAll { $0.id == id }
    running[id]?.fetch.call.cancel()
  }

  /// Does what may block off event loops.
  nonisolated func blocking<Value: Sendable>(
    _ body: @Sendable () throws(HostError) -> Value
  ) async throws(HostError) -> Value {
    try await threads.blocking(body)
  }
}
