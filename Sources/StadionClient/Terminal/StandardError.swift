import Glibc

/// Where problems and notes go, so that a pipe carries facts alone.
package enum StandardError {
  /// Writes one line; what can't be written is lost, as there is nobody left to tell.
  package static func print(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress! + done, bytes.count - done) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      done += count
    }
  }
}
