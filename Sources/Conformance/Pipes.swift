import Glibc

/// Report, standard output and standard error of a check's process.
final class Pipes {
  private var readers: [Int32] = []
  private(set) var writers: [Int32] = []

  /// - Returns: Nil when there are no descriptors left.
  init?() {
    for _ in 0..<3 {
      var ends: [Int32] = [-1, -1]
      guard pipe(&ends) == 0 else {
        closeReaders()
        closeWriters()
        return nil
      }
      // Above the numbers that the child gets, so that no dup2 overwrites another; writers block.
      writers.append(fcntl(ends[1], F_DUPFD_CLOEXEC, 10))
      close(ends[1])
      _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
      _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
      readers.append(ends[0])
    }
  }

  func closeReaders() {
    for reader in readers { close(reader) }
    readers = []
  }

  func closeWriters() {
    for writer in writers { close(writer) }
    writers = []
  }

  /// Appends what has come, and waits a little for more; over `limit` it is thrown away.
  func read(_ texts: inout [[UInt8]], limit: Int, waitMs: Int32) {
    var polls = readers.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    guard poll(&polls, nfds_t(polls.count), waitMs) > 0 else { return }
    // Ended pipes are always ready: without a pause the loop around this would spin.
    if polls.allSatisfy({ $0.revents & Int16(POLLIN) == 0 }) { usleep(UInt32(waitMs) * 1000) }
    var chunk = [UInt8](repeating: 0, count: 65536)
    for (index, reader) in readers.enumerated() {
      while true {
        let count = Glibc.read(reader, &chunk, chunk.count)
        guard count > 0 else { break }
        if texts[index].count + count <= limit { texts[index] += chunk[..<count] }
        if count < chunk.count { break }
      }
    }
  }
}
