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
    // A line that wraps can't be taken back.
    let shown = Table.printable(text).prefix(max(width - 3, 1))
    write("\r\u{1B}[K\(shown) …")
  }

  /// Characters of the terminal's lines; it may be resized at any time.
  private var width: Int {
    var size = winsize()
    return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
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
