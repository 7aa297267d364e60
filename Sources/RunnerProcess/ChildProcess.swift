import CLinux
import CRunning
import Glibc
import Inference
import Running
import Telemetry
import Wire

/// `stadion runner-process`: one runner, alone in a process that the host starts, asks and may end at any time.
///
/// Descriptor 3 is the control channel, 4 the shared arena; from 5 on come the bells of the host's event loops. The main
/// thread makes the runner's control calls; another one listens, so that interrupts and the host's end are seen during a
/// long load.
package enum ChildProcess {
  private static let controlDescriptor: CInt = 3
  private static let arenaDescriptor: CInt = 4

  package static func run() -> Never {
    // The listening thread sees the host's end, unless the runner has stopped the process. Its parent is the runner's
    // control thread in the host, which lives as long as the runner.
    linux_end_with_parent()
    // As the host has started it; the threads that this one starts are as usual.
    linux_prefer_long_slices()
    let channel = ControlChannel(controlDescriptor)
    guard let order = firstMessage(channel), let child = Child(order, channel, arenaDescriptor) else { _exit(2) }
    child.listen()
    child.work()
  }

  /// What to open. Nothing else comes before it, and nothing is opened before it has been read.
  private static func firstMessage(_ channel: ControlChannel) -> JSONValue? {
    while let messages = channel.receive() {
      if let first = messages.first { return first }
    }
    return nil
  }
}
