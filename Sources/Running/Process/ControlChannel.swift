import CLinux
import Glibc
package import Wire

/// Messages between the host and a runner's process: JSON objects, each behind its length.
///
/// One thread receives; any thread sends.
package final class ControlChannel: @unchecked Sendable {
  // @unchecked: the descriptor is set once; a message is sent under the lock, received by one thread.
  package let descriptor: CInt
  private let sending: UnsafeMutablePointer<pthread_mutex_t>
  private let received = ByteBuffer(capacity: 4096)
  /// What came last was no message.
  private(set) var isSpoiled = false

  /// Larger messages are a fault: a signature of 4096 tensors takes about a megabyte.
  package static let messageLimit = 16 << 20

  /// - Parameter descriptor: A stream socket, closed with the channel.
  package init(_ descriptor: CInt) {
    self.descriptor = descriptor
    sending = .allocate(capacity: 1)
    pthread_mutex_init(sending, nil)
  }

  deinit {
    close(descriptor)
    pthread_mutex_destroy(sending)
    sending.deallocate()
  }

  /// Two ends, both close-on-exec; nil without descriptors.
  static func pair() -> (CInt, CInt)? {
    var ends: [CInt] = [-1, -1]
    guard socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
      return nil
    }
    return (ends[0], ends[1])
  }

  /// Sends a whole message.
  ///
  /// - Parameter mayBlock: False gives up when the peer isn't reading, perhaps in the middle of a message: it can't be
  ///   talked to any more then.
  /// - Returns: False if the peer has gone, or doesn't read.
  @discardableResult
  package func send(_ message: JSONValue, mayBlock: Bool = true) -> Bool {
    let frame = ByteBuffer(capacity: 256)
    frame.append([0, 0, 0, 0])
    message.write(to: frame)
    guard frame.count - 4 <= Self.messageLimit else { return false }
    frame.base.storeBytes(of: UInt32(frame.count - 4), as: UInt32.self)
    pthread_mutex_lock(sending)
    defer { pthread_mutex_unlock(sending) }
    var sent = 0
    while sent < frame.count {
      let flags = CInt(MSG_NOSIGNAL) | (mayBlock ? 0 : CInt(MSG_DONTWAIT))
      let count = Glibc.send(descriptor, frame.base + sent, frame.count - sent, flags)
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return false }
      sent += count
    }
    return true
  }

  /// Reads what has come.
  ///
  /// - Returns: The messages that are complete; nil when the peer has gone, or sends what is no message.
  package func receive() -> [JSONValue]? {
    received.reserve(64 * 1024)
    let count = read(descriptor, received.base + received.count, received.freeCount)
    if count < 0 { return errno == EINTR ? [] : nil }
    if count == 0 { return nil }
    received.count += count
    var messages: [JSONValue] = []
    var start = 0
    while received.count - start >= 4 {
      let length = Int(received.base.loadUnaligned(fromByteOffset: start, as: UInt32.self))
      guard length <= Self.messageLimit else {
        isSpoiled = true
        return nil
      }
      guard received.count - start - 4 >= length else { break }
      let text = UnsafeRawBufferPointer(start: received.base + start + 4, count: length)
      guard let message = try? JSONValue(parsing: text), message.members != nil else {
        isSpoiled = true
        return nil
      }
      messages.append(message)
      start += 4 + length
    }
    received.removeFirst(start)
    return messages
  }
}

extension ByteBuffer {
  fileprivate func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }
}
