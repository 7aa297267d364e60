import Foundation

package import Serving

/// An answer as it came.
package struct Answer: Equatable {
  package var status: Int
  /// Names in lower case.
  package var headers: [String: String]
  package var body: [UInt8]

  package var text: String { String(decoding: body, as: UTF8.self) }
}

package struct ClientFailure: Error, CustomStringConvertible {
  package let description: String
}

/// A blocking HTTP client that sends exactly the bytes it is told to.
package final class TestClient {
  package private(set) var descriptor: CInt
  private var received: [UInt8] = []
  /// Longest wait for anything, in milliseconds: tests fail rather than hang.
  package static let patience: CInt = 20_000

  package init(_ address: ListenAddress, receiveBuffer: CInt? = nil) throws {
    switch address {
    case .unix(let path):
      descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
      var name = sockaddr_un()
      name.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.utf8) }
      try connect(&name)
    case .tcp(let host, let port):
      descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
      if var size = receiveBuffer { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, 4) }
      var name = sockaddr_in()
      name.sin_family = sa_family_t(AF_INET)
      name.sin_port = port.bigEndian
      inet_pton(AF_INET, host, &name.sin_addr)
      try connect(&name)
    }
  }

  deinit { leave() }

  private func connect<Name>(_ name: inout Name) throws {
    let code = withUnsafePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Name>.size))
      }
    }
    guard code == 0 else { throw ClientFailure(description: "can't connect: \(String(cString: strerror(errno)))") }
  }

  /// Closes the connection at once.
  package func leave() {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
  }

  /// Sends no more, and still reads.
  package func finishSending() { shutdown(descriptor, CInt(SHUT_WR)) }

  private func wait(_ events: Int32, _ patience: CInt = TestClient.patience) -> Bool {
    var polled = pollfd(fd: descriptor, events: Int16(events), revents: 0)
    return poll(&polled, 1, patience) > 0
  }

  /// - Throws: When the server has closed the connection.
  package func send(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, CInt(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw ClientFailure(description: "can't send: \(String(cString: strerror(errno)))") }
      sent += count
    }
  }

  package func send(_ text: String) throws { try send(Array(text.utf8)) }

  /// Reads what there is; false at the end of the connection.
  private func receive() throws -> Bool {
    guard wait(POLLIN) else {
      throw ClientFailure(description: "no answer within \(Self.patience) ms; got \(received.count) bytes")
    }
    var part = [UInt8](repeating: 0, count: 256 * 1024)
    let count = read(descriptor, &part, part.count)
    guard count > 0 else { return false }
    received += part[..<count]
    return true
  }

  /// The next answer.
  ///
  /// - Parameter toHead: The request was HEAD: no body follows.
  package func answer(toHead: Bool = false) throws -> Answer {
    var answer = Answer(status: 0, headers: [:], body: [])
    let end = Array("\r\n\r\n".utf8)
    while true {
      if let place = received.firstRange(of: end) {
        let lines = String(decoding: received[..<place.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        guard lines[0].hasPrefix("HTTP/1.1 "), let status = Int(lines[0].dropFirst(9).prefix(3)) else {
          throw ClientFailure(description: "no status line: \(lines[0])")
        }
        answer.status = status
        for line in lines.dropFirst() {
          let parts = line.split(separator: ":", maxSplits: 1)
          let name = parts[0].lowercased()
          guard answer.headers[name] == nil else { throw ClientFailure(description: "\(name) comes twice") }
          answer.headers[name] = parts[1].trimmingCharacters(in: .whitespaces)
        }
        received.removeFirst(place.upperBound)
        break
      }
      guard try receive() else { throw ClientFailure(description: "the connection ended; got \(received.count) bytes") }
    }
    if answer.status == 100 || toHead { return answer }
    guard let length = answer.headers["content-length"].flatMap({ Int($0) }) else {
      throw ClientFailure(description: "no Content-Length")
    }
    while received.count < length {
      guard try receive() else {
        throw ClientFailure(description: "\(received.count) of \(length) bytes, then the end")
      }
    }
    answer.body = Array(received.prefix(length))
    received.removeFirst(length)
    return answer
  }

  package func answer(to request: String) throws -> Answer {
    try send(request)
    return try answer(toHead: request.hasPrefix("HEAD "))
  }

  /// Waits for the connection's end, and gives the bytes that came before it.
  package func rest() throws -> [UInt8] {
    while try receive() {}
    defer { received = [] }
    return received
  }
}

/// A whole request with its length.
package func post(_ path: String, _ body: [UInt8], _ lines: String...) -> [UInt8] {
  let head =
    "POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(body.count)\r\n" + lines.map { $0 + "\r\n" }.joined()
    + "\r\n"
  return Array(head.utf8) + body
}

package func get(_ path: String, _ lines: String...) -> String {
  "GET \(path) HTTP/1.1\r\nHost: localhost\r\n" + lines.map { $0 + "\r\n" }.joined() + "\r\n"
}
