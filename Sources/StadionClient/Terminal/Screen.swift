import CLinux
import Glibc

/// The whole terminal while a live view has it: what stood there comes back at the end, also by Ctrl-C.
package final class Screen {
  package enum Event { case quit, resized, tick }

  private var before = termios()
  private let signals: CInt

  /// Nil unless standard output is a terminal.
  package init?() {
    guard isatty(STDOUT_FILENO) == 1 else { return nil }
    // Signals are read in turn with keys: a handler couldn't put the terminal back.
    var set = sigset_t()
    sigemptyset(&set)
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGWINCH] { sigaddset(&set, signal) }
    pthread_sigmask(SIG_BLOCK, &set, nil)
    signals = signalfd(-1, &set, CInt(SFD_CLOEXEC))
    if isatty(STDIN_FILENO) == 1 {
      tcgetattr(STDIN_FILENO, &before)
      var raw = before
      raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
      tcsetattr(STDIN_FILENO, TCSANOW, &raw)
    }
    // The other screen, without a cursor.
    write("\u{1B}[?1049h\u{1B}[?25l")
  }

  /// Puts the terminal back.
  package func close() {
    write("\u{1B}[?25h\u{1B}[?1049l")
    if isatty(STDIN_FILENO) == 1 { tcsetattr(STDIN_FILENO, TCSANOW, &before) }
    Glibc.close(signals)
  }

  /// 80 × 24 where the terminal doesn't say.
  package var size: (width: Int, height: Int) {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return (80, 24) }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  /// Draws over what is there, in one write: nothing flickers.
  package func show(_ lines: [String]) {
    write("\u{1B}[H" + lines.map { "\($0)\u{1B}[K" }.joined(separator: "\n") + "\u{1B}[J")
  }

  /// Waits for a key, a signal, or the time to draw again.
  package func wait(milliseconds: Int) -> Event {
    var polled = [
      pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
      pollfd(fd: isatty(STDIN_FILENO) == 1 ? STDIN_FILENO : -1, events: Int16(POLLIN), revents: 0),
    ]
    guard poll(&polled, 2, CInt(clamping: milliseconds)) > 0 else { return .tick }
    if polled[0].revents != 0 {
      var info = signalfd_siginfo()
      guard read(signals, &info, MemoryLayout<signalfd_siginfo>.size) > 0 else { return .quit }
      return info.ssi_signo == UInt32(SIGWINCH) ? .resized : .quit
    }
    var key: UInt8 = 0
    guard read(STDIN_FILENO, &key, 1) == 1 else { return .quit }
    return [UInt8(ascii: "q"), UInt8(ascii: "Q"), 3, 4].contains(key) ? .quit : .resized
  }

  private func write(_ text: String) {
    let bytes = Array(text.utf8)
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress! + done, bytes.count - done) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return }
      done += count
    }
  }
}
