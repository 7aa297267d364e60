import CLinux
import Glibc
import StadionClient

/// One line on a terminal that says what is being done; nothing in a pipe.
final class ProgressLine {
  private let isTerminal = isatty(STDERR_FILENO) != 0
  private var shownNs: UInt64 = 0
  private var isShown = false

  /// At most ten times a second: writing to a terminal is work that the measured ones would feel.
  func show(_ text: String) {
    let now = linux_now_ns()
    guard isTerminal, now - shownNs > 100_000_000 else { return }
    shownNs = now
    isShown = true
    write("\r\u{1B}[K\(Table.printable(text)) …")
  }

  func clear() {
    if isShown { write("\r\u{1B}[K") }
    isShown = false
  }

  private func write(_ text: String) {
    let bytes = Array(text.utf8)
    _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
  }
}
