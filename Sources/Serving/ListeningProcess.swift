import CLinux
import Glibc

/// The process that listens on a Unix socket, as the kernel noted it: others may have the socket from it.
enum ListeningProcess {
  /// Whether it has ended, or is about to: nobody will answer, though a process that it was just starting may hold its
  /// socket until that runs its own program.
  ///
  /// - Parameter connected: A socket that has been connected to it.
  static func hasEnded(_ connected: CInt) -> Bool {
    var (uid, gid, pid) = (UInt32.max, UInt32.max, Int32(0))
    // 0 is one in another container.
    guard linux_peer(connected, &uid, &gid, &pid), pid > 0 else { return false }
    if kill(pid, 0) != 0 && errno == ESRCH { return true }
    guard let fields = fields(of: pid), fields.count > 6 else { return false }
    return fields[0] == "Z" || fields[0] == "X" || (UInt32(fields[6]) ?? 0) & exiting != 0
  }

  private static let exiting: UInt32 = 4  // PF_EXITING of linux/sched.h

  /// Of /proc/PID/stat, from the state on.
  private static func fields(of pid: Int32) -> [Substring]? {
    let file = linux_open("/proc/\(pid)/stat", O_RDONLY, 0)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 512)
    let count = read(file, &bytes, bytes.count)
    // A program's name may hold anything, and stands in parentheses before them.
    guard count > 0, let end = bytes[..<count].lastIndex(of: UInt8(ascii: ")")) else { return nil }
    return String(decoding: bytes[(end + 1)..<count], as: UTF8.self).split(separator: " ")
  }
}
