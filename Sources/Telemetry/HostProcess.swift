import CLinux
import Glibc
import Wire

/// Facts that the kernel tells of a process. Reading them takes some ten microseconds; not for an event loop.
package struct HostProcess: Sendable {
  package var cpuNs: UInt64 = 0
  package var residentBytes: UInt64 = 0
  package var virtualBytes: UInt64 = 0
  package var threads: UInt64 = 0
  /// Milliseconds since 1970.
  package var startedMs: UInt64 = 0
  package var openDescriptors: UInt64 = 0
  package var descriptorLimit: UInt64 = 0

  /// This process.
  package init() {
    startedMs = Self.selfStartedMs
    (virtualBytes, residentBytes) = Self.memory(of: "self")
    var tasks = stat()
    // A folder for each thread, `.` and `..`.
    if stat("/proc/self/task", &tasks) == 0 { threads = UInt64(max(tasks.st_nlink, 2)) - 2 }
    // Finer than the ticks of proc(5).
    var used = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used)
    cpuNs = UInt64(used.tv_sec) * 1_000_000_000 + UInt64(used.tv_nsec)
    openDescriptors = Self.countDescriptors()
    var limit = rlimit()
    if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 { descriptorLimit = UInt64(limit.rlim_cur) }
  }

  /// Memory in RAM of a process; 0 for what is none any more.
  package static func residentBytes(of pid: Int32) -> UInt64 { memory(of: String(pid)).residentBytes }

  /// By `statm`: unlike for `stat`, the kernel looks at none of its threads.
  private static func memory(of process: String) -> (virtualBytes: UInt64, residentBytes: UInt64) {
    let fields = read("/proc/\(process)/statm")?.split(separator: " ") ?? []
    guard fields.count > 1, let all = UInt64(fields[0]), let resident = UInt64(fields[1]) else { return (0, 0) }
    let pageBytes = UInt64(sysconf(CInt(_SC_PAGESIZE)))
    return (all * pageBytes, resident * pageBytes)
  }

  /// Read once: it doesn't change, and the kernel looks at each thread for what else stands there.
  private static let selfStartedMs: UInt64 = {
    // proc(5): fields are counted from behind the name, which may hold spaces and parentheses.
    guard let text = read("/proc/self/stat"), let name = text.lastIndex(of: ")") else { return 0 }
    let fields = text[text.index(after: name)...].split(separator: " ")
    guard fields.count > 19, let started = UInt64(fields[19]) else { return 0 }
    return bootMs + started * 1000 / UInt64(max(sysconf(CInt(_SC_CLK_TCK)), 1))
  }()

  /// Milliseconds since 1970 when the machine started.
  private static var bootMs: UInt64 {
    var up = timespec()
    clock_gettime(CLOCK_BOOTTIME, &up)
    return UInt64(WallClock.nowMs) - (UInt64(up.tv_sec) * 1000 + UInt64(up.tv_nsec) / 1_000_000)
  }

  private static func countDescriptors() -> UInt64 {
    guard let folder = opendir("/proc/self/fd") else { return 0 }
    defer { closedir(folder) }
    var count: UInt64 = 0
    while readdir(folder) != nil { count += 1 }
    // `.`, `..` and the folder itself.
    return count - min(count, 3)
  }

  /// Memory of a process in RAM but for what it shares with others, as tensors; 0 for what is no process.
  package static func unsharedBytes(pid: String) -> Int {
    // proc(5): "RssAnon:\t    1234 kB".
    guard let text = read("/proc/\(pid)/status", atMost: 8192) else { return 0 }
    let parts = text.split(separator: "\n").filter { $0.hasPrefix("RssAnon:") || $0.hasPrefix("RssFile:") }
    return parts.reduce(0) { sum, line in
      sum + 1024 * (line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) } ?? 0)
    }
  }

  private static func read(_ path: String, atMost limit: Int = 1024) -> String? {
    let descriptor = linux_open(path, O_RDONLY, 0)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: limit)
    let count = Glibc.read(descriptor, &bytes, bytes.count)
    return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
  }
}
