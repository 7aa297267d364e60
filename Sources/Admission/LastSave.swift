import Glibc

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
