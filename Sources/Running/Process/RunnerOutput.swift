import Glibc
import Telemetry
import Wire

/// What a runner's process prints, line by line, in the host's log. Only used from the thread that watches the process.
final class RunnerOutput {
  /// Longer lines are cut there.
  private static let lineBytes = 4096
  /// As much of what it asks to be logged.
  private static let messageBytes = 64 * 1024
  /// Lines of one process that are logged in a second; a runner that prints per run must not fill a disk.
  private static let linesPerSecond = 100

  private let key: RunnerKey
  private let line = ByteBuffer(capacity: RunnerOutput.lineBytes)
  private var second = 0
  private var linesInSecond = 0

  init(_ key: RunnerKey) { self.key = key }

  /// - Returns: False at the end of the output.
  func read(_ descriptor: CInt) -> Bool {
    withUnsafeTemporaryAllocation(byteCount: 16 * 1024, alignment: 1) { buffer in
      let count = Glibc.read(descriptor, buffer.baseAddress!, buffer.count)
      if count < 0 && errno == EINTR { return true }
      guard count > 0 else {
        flush()
        return false
      }
      for byte in buffer.prefix(count) {
        if byte == UInt8(ascii: "\n") || line.count == Self.lineBytes { flush() }
        if byte != UInt8(ascii: "\n") { line.append(byte) }
      }
      return true
    }
  }

  private func flush() {
    guard line.count > 0 else { return }
    defer { line.removeAll() }
    if isAllowed() {
      let text = line.string
      Log.info("a runner printed a line", ("runner", key.id), ("tenant", key.tenantText), ("line", text))
    }
  }

  /// Logs what the runner has asked to be logged.
  func log(_ level: Log.Level, _ text: String) {
    guard isAllowed() else { return }
    Log.write(
      level, { String(decoding: text.utf8.prefix(Self.messageBytes), as: UTF8.self) },
      [("runner", key.id), ("tenant", key.tenantText)])
  }

  /// Counts a line; says once in each second that the rest of it is dropped.
  private func isAllowed() -> Bool {
    let now = time(nil)
    if now != second {
      second = now
      linesInSecond = 0
    }
    linesInSecond += 1
    if linesInSecond == Self.linesPerSecond + 1 {
      Log.warning(
        "a runner prints too much; the rest of this second is dropped", ("runner", key.id), ("tenant", key.tenantText))
    }
    return linesInSecond <= Self.linesPerSecond
  }
}

/// Names of signals for people.
enum SignalName {
  /// One word: `SIGKILL`.
  static func word(_ signal: CInt) -> String { String(of(signal).prefix { $0 != ":" }) }

  static func of(_ signal: CInt) -> String {
    switch signal {
    case SIGSEGV: "SIGSEGV"
    case SIGABRT: "SIGABRT"
    case SIGBUS: "SIGBUS"
    case SIGFPE: "SIGFPE"
    case SIGILL: "SIGILL"
    case SIGKILL: "SIGKILL: out of memory, or somebody ended it"
    case SIGTERM: "SIGTERM"
    case SIGSYS: "SIGSYS"
    case SIGTRAP: "SIGTRAP"
    default: String(cString: strsignal(signal))
    }
  }
}
