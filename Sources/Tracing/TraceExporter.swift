import CLinux
import Glibc
import Synchronization
import Telemetry
import Wire

/// Sends traces in batches from a thread of its own. Handing one over never waits: what doesn't fit is dropped and counted.
package final class TraceExporter: @unchecked Sendable {
  // @unchecked: what changes is in `queue` or atomic.
  private let collector: Collector
  private let writer: OTLPWriter
  private let queue = Mutex<[RequestTrace]>([])
  /// Written to when the queue stops being empty, and at the end.
  private let wakeUp: CInt
  /// Written to when the thread has ended.
  private let ended: CInt
  private let isStopping = Atomic<Bool>(false)
  private let exported = Atomic<UInt64>(0)
  private let dropped = Atomic<UInt64>(0)
  private let failed = Atomic<UInt64>(0)

  /// Traces that wait at most; about 1 MB.
  static let queueLimit = 4096
  private static let batchLimit = 512
  /// How long a first trace waits for others.
  private static let gatherMs: CInt = 500

  package init(_ collector: Collector, serviceVersion: String) {
    self.collector = collector
    writer = OTLPWriter(serviceVersion: serviceVersion, instance: String(getpid()))
    wakeUp = eventfd(0, CInt(EFD_CLOEXEC) | CInt(EFD_NONBLOCK))
    ended = eventfd(0, CInt(EFD_CLOEXEC))
    let box = Unmanaged.passRetained(self)
    var handle = pthread_t()
    let code = pthread_create(
      &handle, nil,
      { argument in
        linux_name_thread("traces")
        Unmanaged<TraceExporter>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, box.toOpaque())
    precondition(code == 0, "can't start a thread (\(code)); raise the process limit")
    pthread_detach(handle)
  }

  deinit {
    close(wakeUp)
    close(ended)
  }

  /// Traces that the collector has taken, those that found no room, and those that it didn't take.
  package var counts: (exported: UInt64, dropped: UInt64, failed: UInt64) {
    (exported.load(ordering: .relaxed), dropped.load(ordering: .relaxed), failed.load(ordering: .relaxed))
  }

  /// Any thread; an event loop mostly.
  package func submit(_ trace: RequestTrace) {
    let count = queue.withLock { queue -> Int in
      guard queue.count < Self.queueLimit else { return 0 }
      queue.append(trace)
      return queue.count
    }
    if count == 0 { dropped.wrappingAdd(1, ordering: .relaxed) }
    if count == 1 || count == Self.batchLimit { signal(wakeUp) }
  }

  /// Sends what is left, for up to `timeoutMs`.
  package func stop(timeoutMs: Int32) {
    isStopping.store(true, ordering: .relaxed)
    signal(wakeUp)
    if !Self.wait(ended, timeoutMs) {
      collector.isStopped.store(true, ordering: .relaxed)
      _ = Self.wait(ended, timeoutMs)
    }
  }

  private func signal(_ descriptor: CInt) {
    var one: UInt64 = 1
    write(descriptor, &one, 8)
  }

  private static func wait(_ descriptor: CInt, _ timeoutMs: CInt) -> Bool {
    var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&polled, 1, timeoutMs) > 0
  }

  // MARK: The thread

  private func run() {
    let body = ByteBuffer(capacity: 256 * 1024)
    var numbers = TraceNumbers()
    var lastReason = ""
    while true {
      _ = Self.wait(wakeUp, -1)
      drainWakeUp()
      if !isStopping.load(ordering: .relaxed) && queue.withLock({ $0.count < Self.batchLimit }) {
        _ = Self.wait(wakeUp, Self.gatherMs)
        drainWakeUp()
      }
      while let batch = take() {
        body.removeAll()
        writer.write(batch, offsetNs: Self.wallOffsetNs(), &numbers, to: body)
        let reason = collector.send(body)
        let count = UInt64(batch.count)
        if reason == nil {
          exported.wrappingAdd(count, ordering: .relaxed)
        } else {
          failed.wrappingAdd(count, ordering: .relaxed)
        }
        // Said when it changes, not for each batch.
        if let reason, reason != lastReason { Log.warning("can't send traces", ("reason", reason)) }
        lastReason = reason ?? ""
      }
      if isStopping.load(ordering: .relaxed) { break }
    }
    signal(ended)
  }

  private func drainWakeUp() {
    var count: UInt64 = 0
    read(wakeUp, &count, 8)
  }

  private func take() -> [RequestTrace]? {
    queue.withLock { queue in
      guard !queue.isEmpty else { return nil }
      let batch = Array(queue.prefix(Self.batchLimit))
      queue.removeFirst(batch.count)
      return batch
    }
  }

  private static func wallOffsetNs() -> UInt64 { WallClock.nowNs - linux_now_ns() }
}
