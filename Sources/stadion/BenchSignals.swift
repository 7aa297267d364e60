import Benchmarking
import Glibc

/// Ends the benchmark's hosts when a signal ends the benchmark.
enum BenchSignals {
  /// Must come before any thread or host starts.
  ///
  /// - Parameter folder: Removed too.
  static func start(removing folder: String) {
    signal(SIGPIPE, SIG_IGN)
    var set = fatal
    pthread_sigmask(SIG_BLOCK, &set, nil)
    let box = Unmanaged.passRetained(Box(folder))
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { argument in
        let folder = Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue().folder
        var set = BenchSignals.fatal
        var number: CInt = 0
        sigwait(&set, &number)
        HostProcess.killAll()
        WorkFolder.remove(folder)
        _exit(128 + number)
      }, box.toOpaque())
    precondition(code == 0, "can't start a thread (\(code)); raise the process limit")
    pthread_detach(thread)
  }

  private static var fatal: sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&set, number) }
    return set
  }

  private final class Box {
    let folder: String
    init(_ folder: String) { self.folder = folder }
  }
}
