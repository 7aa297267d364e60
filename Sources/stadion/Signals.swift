import CLinux
import Glibc

/// SIGTERM, SIGINT and SIGHUP as something the main thread waits for.
struct Signals {
  private let descriptor: CInt

  enum Wish: Equatable {
    /// By whom, as the kernel says.
    case reload(uid: UInt32, pid: UInt32)
    case end
  }

  /// Must come before any thread starts: the signals are blocked in all of them.
  ///
  /// - Parameter reloads: SIGHUP is waited for; else it ends the process, as it does where a terminal goes.
  init(reloads: Bool) {
    signal(SIGPIPE, SIG_IGN)
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, SIGTERM)
    sigaddset(&set, SIGINT)
    if reloads { sigaddset(&set, SIGHUP) }
    pthread_sigmask(SIG_BLOCK, &set, nil)
    descriptor = signalfd(-1, &set, CInt(SFD_CLOEXEC))
  }

  /// Blocks until a signal comes.
  func waitForNext() -> Wish {
    var info = signalfd_siginfo()
    while read(descriptor, &info, MemoryLayout<signalfd_siginfo>.size) < 0 && errno == EINTR {}
    return info.ssi_signo == UInt32(SIGHUP) ? .reload(uid: info.ssi_uid, pid: info.ssi_pid) : .end
  }

  /// Blocks until `done` is readable.
  ///
  /// - Returns: False if another signal that ends the process, or the timeout, came first.
  func waitForSecond(or done: CInt, timeoutMs: Int) -> Bool {
    let end = linux_now_ns() + UInt64(timeoutMs) * 1_000_000
    while true {
      var polled = [
        pollfd(fd: done, events: Int16(POLLIN), revents: 0), pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
      ]
      let now = linux_now_ns()
      let restMs = now < end ? (end - now) / 1_000_000 + 1 : 0
      guard poll(&polled, 2, CInt(clamping: restMs)) > 0 else {
        if restMs == 0 { return false }
        continue
      }
      if polled[0].revents != 0 { return true }
      if polled[1].revents != 0 && waitForNext() == .end { return false }
    }
  }
}
