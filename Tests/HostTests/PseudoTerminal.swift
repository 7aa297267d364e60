import Foundation
import Synchronization

/// A program on a terminal of its own, of which the test is the screen and the keyboard.
final class PseudoTerminal {
  struct Failure: Error, CustomStringConvertible { let description: String }

  let pid: pid_t
  private let near: CInt
  private(set) var bytes: [UInt8] = []
  private var status: Int32?

  init(_ words: [String], width: UInt16 = 80, height: UInt16 = 24) throws {
    near = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    // What unlockpt(3) and ptsname(3) do, which Swift doesn't import: TIOCSPTLCK and TIOCGPTN.
    var isLocked: CInt = 0
    var number: CUnsignedInt = 0
    guard near >= 0, ioctl(near, 0x4004_5431, &isLocked) == 0, ioctl(near, 0x8004_5430, &number) == 0 else {
      throw Failure(description: "no pseudo-terminal: \(String(cString: strerror(errno)))")
    }
    let far = "/dev/pts/\(number)"
    var size = winsize(ws_row: height, ws_col: width, ws_xpixel: 0, ws_ypixel: 0)
    _ = ioctl(near, UInt(TIOCSWINSZ), &size)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for descriptor in CInt(0)...2 { posix_spawn_file_actions_addopen(&actions, descriptor, far, O_RDWR, 0) }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // In a session of its own, the first terminal that is opened becomes the one that Ctrl-C is typed on.
    posix_spawnattr_setflags(&attributes, 0x80)  // POSIX_SPAWN_SETSID, which Swift doesn't import
    let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for text in arguments { free(text) } }
    var pid: pid_t = 0
    let code = posix_spawn(&pid, words[0], &actions, &attributes, arguments, environ)
    guard code == 0 else { throw Failure(description: "can't start \(words[0]): \(String(cString: strerror(code)))") }
    self.pid = pid
  }

  deinit {
    if status == nil {
      kill(pid, SIGKILL)
      waitpid(pid, nil, 0)
    }
    close(near)
  }

  func type(_ text: String) { _ = Array(text.utf8).withUnsafeBytes { write(near, $0.baseAddress!, $0.count) } }

  func resize(width: UInt16, height: UInt16) {
    var size = winsize(ws_row: height, ws_col: width, ws_xpixel: 0, ws_ypixel: 0)
    _ = ioctl(near, UInt(TIOCSWINSZ), &size)
  }

  /// Reads until `condition` holds of what is shown; false after 20 s.
  func shows(_ condition: (PseudoTerminal) -> Bool) -> Bool {
    let end = ContinuousClock.now + .seconds(20)
    while ContinuousClock.now < end {
      if condition(self) { return true }
      read(milliseconds: 20)
    }
    return false
  }

  private func read(milliseconds: CInt) {
    var polled = pollfd(fd: near, events: Int16(POLLIN), revents: 0)
    guard poll(&polled, 1, milliseconds) > 0 else { return }
    var part = [UInt8](repeating: 0, count: 64 * 1024)
    let count = Glibc.read(near, &part, part.count)
    if count > 0 { bytes += part[..<count] }
  }

  var text: String { String(decoding: bytes, as: UTF8.self) }

  /// Lines of the last whole picture: from "home" to "clear what is below".
  var lines: [String] {
    let pictures = text.components(separatedBy: "\u{1B}[H").dropFirst().filter { $0.contains("\u{1B}[J") }
    guard let last = pictures.last, let end = last.range(of: "\u{1B}[J") else { return [] }
    return last[..<end.lowerBound].replacingOccurrences(of: "\u{1B}[K", with: "").components(separatedBy: "\r\n")
  }

  /// The exit code, once it has ended; nil after 20 s.
  func end() -> Int32? {
    _ = holds {
      read(milliseconds: 5)
      var code: Int32 = 0
      guard waitpid(pid, &code, WNOHANG) == pid else { return false }
      status = code & 0x7f == 0 ? code >> 8 & 0xff : 128 + code & 0x7f
      return true
    }
    read(milliseconds: 0)
    return status
  }
}
