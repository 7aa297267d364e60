import CLinux
import Glibc

/// Threads that may block: long runs, and the calls a plugin wants made one at a time.
///
/// Work comes as Swift jobs, so a task moves here with `withTaskExecutorPreference` and back by leaving it. Threads start
/// when work waits and none is free.
package final class RunThreads: TaskExecutor, SerialExecutor, @unchecked Sendable {
  // @unchecked: all state is guarded by `lock`.
  private let name: String
  private let limit: Int
  private var jobs: [UnownedJob] = []
  private var firstJob = 0
  private var threadCount = 0
  private var idleCount = 0
  private var isEnded = false
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private let signal: UnsafeMutablePointer<pthread_cond_t>

  /// - Parameters:
  ///   - name: Of the threads, for `top -H`; 15 bytes show.
  ///   - limit: Threads at most. With 1, jobs run one after the other and it may be an actor's executor.
  package init(name: String, limit: Int) {
    self.name = name
    self.limit = limit
    lock = .allocate(capacity: 1)
    signal = .allocate(capacity: 1)
    pthread_mutex_init(lock, nil)
    pthread_cond_init(signal, nil)
  }

  // Each thread holds a reference, so this runs only after the last has gone.
  deinit {
    pthread_mutex_destroy(lock)
    pthread_cond_destroy(signal)
    lock.deallocate()
    signal.deallocate()
  }

  package func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    pthread_mutex_lock(lock)
    jobs.append(job)
    // Idle threads that earlier jobs have called are still counted as idle until they wake up.
    let needsThread = jobs.count - firstJob > idleCount && threadCount < limit
    if needsThread { threadCount += 1 }
    pthread_cond_signal(signal)
    pthread_mutex_unlock(lock)
    if needsThread { startThread() }
  }

  /// Ends the threads once their work is done; later work is still done, by none but the last.
  package func end() {
    pthread_mutex_lock(lock)
    isEnded = true
    pthread_cond_broadcast(signal)
    pthread_mutex_unlock(lock)
  }

  private func startThread() {
    var handle = pthread_t()
    let code = pthread_create(
      &handle, nil,
      { argument in
        let threads = Unmanaged<RunThreads>.fromOpaque(argument!).takeRetainedValue()
        linux_name_thread(threads.name)
        threads.work()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    precondition(code == 0, "can't start a thread (\(code)); raise the process limit")
    pthread_detach(handle)
  }

  private func work() {
    pthread_mutex_lock(lock)
    while true {
      while firstJob == jobs.count {
        if isEnded {
          threadCount -= 1
          pthread_mutex_unlock(lock)
          return
        }
        idleCount += 1
        pthread_cond_wait(signal, lock)
        idleCount -= 1
      }
      let job = jobs[firstJob]
      firstJob += 1
      if firstJob == jobs.count {
        jobs.removeAll(keepingCapacity: true)
        firstJob = 0
      } else if firstJob == 1024 {
        // Work that never ends would let the list grow without end.
        jobs.removeFirst(firstJob)
        firstJob = 0
      }
      pthread_mutex_unlock(lock)
      if limit == 1 {
        job.runSynchronously(isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
      } else {
        job.runSynchronously(on: asUnownedTaskExecutor())
      }
      pthread_mutex_lock(lock)
    }
  }

  package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
}
