import CLinux
import Glibc
package import Inference
import Wire

/// A blocking HTTP/1.1 connection to one server: one request at a time, opened on first use and kept for the next.
///
/// For command lines and tests. Every call blocks its thread until the answer is read or `timeout` has passed, so it
/// has no place on an event loop or in Swift's cooperative pool. Owned by one thread at a time.
package final class HTTPConnection {
  package let address: HostAddress
  /// Time for one exchange, from connecting to the last byte of the answer.
  package var timeout: Duration
  /// Bytes of an answer's body that are accepted.
  package var maxBodyBytes = 1 << 30
  /// API key that is sent with every request that brings no credential of its own; nil for none.
  package var key: String?

  private var socket: Int32 = -1
  private let received = ByteBuffer(capacity: 64 * 1024)
  private let head = ByteBuffer(capacity: 1024)

  package init(_ address: HostAddress, timeout: Duration = .seconds(60)) {
    self.address = address
    self.timeout = timeout
  }

  deinit { if socket >= 0 { Glibc.close(socket) } }

  /// Sends a request and reads its answer, whatever its status.
  ///
  /// - Parameters:
  ///   - path: Starts with `/`, already percent-encoded.
  ///   - headers: Beside Host and Content-Length, which are always sent.
  /// - Throws: `HostError` `.overloaded` when nobody answers or the server closes early, `.deadlineExceeded`,
  ///   `.internalError` for an answer that is not HTTP. The connection is closed then.
  package func send(
    _ method: String, _ path: String, headers: [(String, String)] = [], body: [UInt8] = []
  ) throws(HostError) -> HTTPResponse {
    let deadline = ContinuousClock.now + timeout
    if isStale { close() }
    if socket < 0 { try connect() }
    head.removeAll()
    head.append("\(method) \(path) HTTP/1.1\r\nHost: \(address.hostHeader)\r\n")
    for (name, value) in headers { head.append("\(name): \(value)\r\n") }
    if let key, !headers.contains(where: { ["authorization", "x-api-key"].contains($0.0.lowercased()) }) {
      head.append("Authorization: Bearer \(key)\r\n")
    }
    if !body.isEmpty || method != "GET" { head.append("Content-Length: \(body.count)\r\n") }
    head.append("\r\n")
    do throws(HostError) {
      let writeError = try write(body, by: deadline)
      let reader = HTTPResponseReader(buffer: received, maxBodyBytes: maxBodyBytes) { () throws(HostError) -> Bool in
        // A server may refuse a body and close while it is still being sent: its answer is worth more than our error.
        do throws(HostError) { return try self.fill(by: deadline) } catch { throw writeError ?? error }
      }
      let response = try reader.read(hasBody: method != "HEAD")
      if !response.keepsConnection || writeError != nil { close() }
      return response
    } catch {
      close()
      throw error
    }
  }

  package func close() {
    if socket >= 0 { Glibc.close(socket) }
    socket = -1
    received.removeAll()
  }

  /// A kept connection that is readable has been closed by the server, or carries what nobody asked for.
  private var isStale: Bool {
    guard socket >= 0 else { return false }
    var entry = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 0) != 0
  }

  private static func systemText(_ code: Int32) -> String { String(cString: strerror(code)) }

  private func connect() throws(HostError) { socket = try Self.connect(to: address, timeout: timeout) }

  /// A connected, blocking socket, which the caller closes.
  package static func connect(to address: HostAddress, timeout: Duration) throws(HostError) -> Int32 {
    do throws(Unreachable) {
      switch address {
      case .unix(let path): return try connectUnix(path, timeout)
      case .tcp(let host, let port): return try connectTCP(host, port, timeout)
      }
    } catch {
      if let refusal = error.refusal { throw refusal }
      let advice =
        switch address {
        case .unix: "start a host with `stadion serve`, or name its socket with --socket"
        case .tcp: "check the address, or use the host's socket with --socket"
        }
      throw HostError(.overloaded, "no host answers on \(address) (\(error.why)); \(advice)")
    }
  }

  private struct Unreachable: Error {
    var why = ""
    /// For an address that can't be one.
    var refusal: HostError?
  }

  private static func open(_ family: Int32, _ timeout: Duration) throws(Unreachable) -> Int32 {
    let new = Glibc.socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard new >= 0 else { throw Unreachable(why: systemText(errno)) }
    // The send timeout is what bounds connect(2) on Linux.
    var limit = timeval(tv_sec: max(1, Int(timeout.components.seconds)), tv_usec: 0)
    setsockopt(new, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    return new
  }

  private static func connectUnix(_ path: String, _ timeout: Duration) throws(Unreachable) -> Int32 {
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    let capacity = MemoryLayout.size(ofValue: name.sun_path) - 1
    guard !bytes.isEmpty, bytes.count <= capacity else {
      throw Unreachable(
        refusal: HostError(.invalidRequest, "socket path of \(bytes.count) bytes; 1 to \(capacity) fit: \(path)"))
    }
    withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: bytes) }
    let new = try open(AF_UNIX, timeout)
    let result = withUnsafePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(new, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard result == 0 else {
      let why = systemText(errno)
      Glibc.close(new)
      throw Unreachable(why: why)
    }
    return new
  }

  private static func connectTCP(_ host: String, _ port: UInt16, _ timeout: Duration) throws(Unreachable) -> Int32 {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host, String(port), &hints, &found)
    guard code == 0 else { throw Unreachable(why: String(cString: gai_strerror(code))) }
    defer { freeaddrinfo(found) }
    var why = "no address"
    var next = found
    while let entry = next?.pointee {
      let new = try open(entry.ai_family, timeout)
      if Glibc.connect(new, entry.ai_addr, entry.ai_addrlen) == 0 {
        var on: Int32 = 1
        setsockopt(new, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        return new
      }
      why = systemText(errno)
      Glibc.close(new)
      next = entry.ai_next
    }
    throw Unreachable(why: why)
  }

  private var tooLate: HostError { HostError(.deadlineExceeded, "no whole answer from \(address) within \(timeout)") }

  private func wait(for events: Int32, by deadline: ContinuousClock.Instant) throws(HostError) {
    while true {
      let left = (deadline - .now).components
      let milliseconds = left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000
      guard milliseconds > 0 || left.attoseconds > 0 else {
        throw tooLate
      }
      var entry = pollfd(fd: socket, events: Int16(events), revents: 0)
      let ready = poll(&entry, 1, Int32(clamping: milliseconds + 1))
      if ready > 0 || (ready < 0 && errno != EINTR) { return }
    }
  }

  /// Sends head and body. A connection that the server has closed is returned, not thrown: an answer may be waiting.
  private func write(_ body: [UInt8], by deadline: ContinuousClock.Instant) throws(HostError) -> HostError? {
    var sent = 0
    while sent < head.count + body.count {
      let result = body.withUnsafeBytes { bytes -> Int in
        let headSent = min(sent, head.count)
        var parts = [
          iovec(iov_base: head.base + headSent, iov_len: head.count - headSent),
          iovec(iov_base: nil, iov_len: 0),
        ]
        if let base = bytes.baseAddress {
          let bodySent = sent - headSent
          parts[1] = iovec(
            iov_base: UnsafeMutableRawPointer(mutating: base + bodySent), iov_len: bytes.count - bodySent)
        }
        return parts.withUnsafeMutableBufferPointer { parts in
          var message = msghdr()
          message.msg_iov = parts.baseAddress
          message.msg_iovlen = parts.count
          return sendmsg(socket, &message, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
        }
      }
      if result >= 0 {
        sent += result
      } else if errno == EAGAIN {
        try wait(for: Int32(POLLOUT), by: deadline)
      } else if errno != EINTR {
        return HostError(.overloaded, "the request broke off after \(sent) bytes: \(Self.systemText(errno))")
      }
    }
    return nil
  }

  /// Reads what has come; false at the end of the stream.
  private func fill(by deadline: ContinuousClock.Instant) throws(HostError) -> Bool {
    while true {
      // A server that never stops sending never lets recv wait.
      guard ContinuousClock.now < deadline else { throw tooLate }
      received.reserve(64 * 1024)
      let count = recv(
        socket, received.base + received.count, received.freeCount, Int32(MSG_DONTWAIT))
      if count > 0 { received.count += count }
      if count >= 0 { return count > 0 }
      if errno == EAGAIN {
        try wait(for: Int32(POLLIN), by: deadline)
      } else if errno != EINTR {
        throw HostError(.overloaded, "the connection to \(address) broke: \(Self.systemText(errno))")
      }
    }
  }
}
