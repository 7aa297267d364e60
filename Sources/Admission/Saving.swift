import Glibc
import Telemetry

/// How what changes with requests comes into the database, which no request waits for.
enum RegularSave {
  /// Saves again and again until its task is cancelled. A failure is logged once, and tried again.
  ///
  /// - Parameter problem: As "can't save usage of quotas".
  static func run(every pause: Duration, _ problem: String, _ save: () async throws -> Void) async {
    var wasFine = true
    while (try? await Task.sleep(for: pause)) != nil {
      do {
        try await save()
        wasFine = true
      } catch {
        if wasFine { Log.warning(problem, ("reason", "\(error)")) }
        wasFine = false
      }
    }
  }
}

/// What is saved when requests have ended.
package enum LastSave {
  /// Blocks until `save` has returned, for a second at most: for the main thread.
  package static func wait(_ save: @escaping @Sendable () async -> Void) {
    // Never freed: who comes too late still signals it.
    let done = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    sem_init(done, 0, 0)
    nonisolated(unsafe) let signal = done  // only sem_post, which any thread may call
    Task {
      await save()
      sem_post(signal)
    }
    var end = timespec()
    clock_gettime(CLOCK_REALTIME, &end)
    end.tv_sec += 1
    while sem_timedwait(done, &end) != 0 && errno == EINTR {}
  }
}
