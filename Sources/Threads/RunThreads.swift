import CLinux
import Glibc
import Telemetry

/// Threads that may block: long runs, and the calls a plugin wants made one at a time.
///
/// Work comes as Swift jobs, so a task moves here with `withTaskExecutorPreference` and back by leaving it. Threads start
/// when work waits and none is free.
package final class RunThreads: TaskExecutor, SerialExecutor, @unchecked Sendable {
  // @unchecked: all state is guarded by `lock`.
  private let name: String
  private let limit: Int
  private let isBackground: Bool
  private var jobs: [UnownedJob] = []
  private var firstJob = 0
  private var threadCount = 0
  /// Threads that sleep and that no job has called yet, each by what it sleeps on. The last is called first: what it
  /// works with is still at hand, and the others may sleep on.
  private var sleepers: [UnsafeMutablePointer<sem_t>] = []
  private var isEnded = false
  private let lock: UnsafeMutablePointer<pthread_mutex_t>

  /// - Parameters:
  ///   - name: Of the threads, for `top -H`; 15 bytes show.
  ///   - limit: Threads at most. With 1, jobs run one after the other and it may be an actor's executor.
  ///   - isBackground: Gives way to all other threads of the host.
  package init(name: String, limit: Int, isBackground: Bool = false) {
    self.name = name
    self.isBackground = isBackground
    self.limit = limit
    lock = .allocate(capacity: 1)
    pthread_mutex_init(lock, nil)
  }

  // Each thread holds a reference, so this runs only after the last has gone.
  deinit {
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  package func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    pthread_mutex_lock(lock)
    jobs.append(job)
    // Each job calls or starts a thread of its own while there is one to be had; threads that are busy look for work
    // before they sleep.
    let called = sleepers.popLast()
    let startsThread = called == nil && threadCount < limit
    if startsThread { threadCount += 1 }
    pthread_mutex_unlock(lock)
    if let called { sem_post(called) }
    if startsThread { startThread() }
  }

  /// Ends the threads once their work is done; later work is still done, by threads that end after it.
  package func end() {
    pthread_mutex_lock(lock)
    isEnded = true
    let called = sleepers
    sleepers = []
    pthread_mutex_unlock(lock)
    for call in called { sem_post(call) }
  }

  private func startThread() {
    let this = Unmanaged.passRetained(self)
    var handle = pthread_t()
    let code = pthread_create(
      &handle, nil,
      { argument in
        let threads = Unmanaged<RunThreads>.fromOpaque(argument!).takeRetainedValue()
        linux_name_thread(threads.name)
        if threads.isBackground { linux_give_way() }
        threads.work()
        return nil
      }, this.toOpaque())
    if code == 0 {
      pthread_detach(handle)
    } else {
      this.release()
      doWithout(code)
    }
  }

  /// Leaves the work to the other threads, if there are any.
  private func doWithout(_ code: CInt) {
    pthread_mutex_lock(lock)
    threadCount -= 1
    let others = threadCount
    let isStuck = others == 0 && firstJob < jobs.count
    pthread_mutex_unlock(lock)
    let reason = String(cString: strerror(code))
    precondition(!isStuck, "can't start a thread for '\(name)': \(reason); raise the process limit")
    Log.warning(
      "can't start a thread; raise the process limit", ("threads", name), ("others", String(others)), ("reason", reason)
    )
  }

  private func work() {
    // Not a condition variable: glibc's may lose a signal (its bug 25847).
    let call = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    sem_init(call, 0, 0)
    defer {
      sem_destroy(call)
      call.deallocate()
    }
    pthread_mutex_lock(lock)
    while true {
      while firstJob == jobs.count {
        if isEnded {
          threadCount -= 1
          pthread_mutex_unlock(lock)
          return
        }
        sleepers.append(call)
        pthread_mutex_unlock(lock)
        // A signal handler may interrupt the sleep.
        while sem_wait(call) != 0 {}
        pthread_mutex_lock(lock)
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
