import Glibc
import RunnerKit

/// The compiled models of one loaded model: made when one more run goes on at once than ever before, up to a limit.
final class CompiledModels: @unchecked Sendable {  // the lists are only touched under `mutex`
  private let limit: Int
  private let make: () throws(RunnerError) -> CompiledModel
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let freed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  /// The last one used is the next: its memory is warm.
  private var free: [CompiledModel] = []
  private var count = 0

  init(limit: Int, make: @escaping () throws(RunnerError) -> CompiledModel) {
    self.limit = limit
    self.make = make
    free.reserveCapacity(limit)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(freed, nil)
  }

  deinit {
    pthread_cond_destroy(freed)
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
    freed.deallocate()
  }

  /// One for this run alone, which gives it back with `release`. Waits while all are busy, until the ticket is cancelled.
  func claim(_ ticket: Ticket) throws(RunnerError) -> CompiledModel {
    if let model = try take(ticket) { return model }
    do {
      return try make()
    } catch {
      forgetOne()
      throw error
    }
  }

  private func forgetOne() {
    pthread_mutex_lock(mutex)
    count -= 1
    pthread_cond_signal(freed)
    pthread_mutex_unlock(mutex)
  }

  /// A free one; nil when the caller is to make one more.
  private func take(_ ticket: Ticket) throws(RunnerError) -> CompiledModel? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while true {
      if let model = free.popLast() { return model }
      if count < limit {
        count += 1
        return nil
      }
      guard !ticket.isCancelled else { throw ticket.interruption }
      waitForOne()
    }
  }

  /// A ticket wakes nobody, so the wait ends at times to ask it.
  private func waitForOne() {
    var until = timespec()
    clock_gettime(CLOCK_REALTIME, &until)
    until.tv_nsec += 5_000_000
    if until.tv_nsec >= 1_000_000_000 {
      until.tv_nsec -= 1_000_000_000
      until.tv_sec += 1
    }
    pthread_cond_timedwait(freed, mutex, &until)
  }

  func release(_ model: CompiledModel) {
    model.clear()
    pthread_mutex_lock(mutex)
    free.append(model)
    pthread_cond_signal(freed)
    pthread_mutex_unlock(mutex)
  }

  /// Gives one back that nobody is to use again.
  func discard(_ model: CompiledModel) {
    model.clear()
    forgetOne()
  }

  /// Lets all go; no run is in flight.
  func removeAll() { free = [] }
}
