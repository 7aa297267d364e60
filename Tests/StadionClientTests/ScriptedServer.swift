import Foundation
import Glibc
import Synchronization

/// A Unix socket that gives prepared answers, one per request, and remembers the requests.
///
/// One thread, one connection at a time. An empty answer closes the connection.
final class ScriptedServer: Sendable {
  let path: String
  private let listener: Int32
  private let answers: Mutex<[[UInt8]]>
  private let received = Mutex<[[UInt8]]>([])
  private let accepted = Mutex(0)

  var requests: [[UInt8]] { received.withLock { $0 } }
  var connectionCount: Int { accepted.withLock { $0 } }

  /// - Parameter closes: Closes the connection behind every answer.
  init(_ answers: [[UInt8]], closes: Bool = false) throws {
    path = "/tmp/stadion-\(UUID().uuidString.prefix(8)).sock"
    self.answers = Mutex(answers.reversed())
    listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    let listener = listener
    let isBound = withUnsafePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard isBound == 0, listen(listener, 8) == 0 else { throw POSIXError(.EADDRINUSE) }
    Thread.detachNewThread { [self] in serve(closes: closes) }
  }

  convenience init(_ answers: String...) throws { try self.init(answers.map { Array($0.utf8) }) }

  private func serve(closes: Bool) {
    while case let connection = accept(listener, nil, nil), connection >= 0 {
      accepted.withLock { $0 += 1 }
      while let request = Self.read(connection) {
        received.withLock { $0.append(request) }
        guard let answer = answers.withLock({ $0.popLast() }), !answer.isEmpty else { break }
        // Byte by byte at first, so that every border is crossed once.
        for byte in answer.prefix(300) {
          _ = withUnsafeBytes(of: byte) { send(connection, $0.baseAddress, 1, Int32(MSG_NOSIGNAL)) }
        }
        var rest = answer.dropFirst(300)
        while !rest.isEmpty {
          let count = Array(rest).withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
          if count <= 0 { break }
          rest = rest.dropFirst(count)
        }
        if closes { break }
      }
      close(connection)
      if answers.withLock({ $0.isEmpty }) { break }
    }
    close(listener)
    unlink(path)
  }

  /// One whole request; nil at the end of the stream.
  private static func read(_ connection: Int32) -> [UInt8]? {
    var bytes: [UInt8] = []
    var byte: UInt8 = 0
    while !bytes.ends(with: "\r\n\r\n") {
      guard recv(connection, &byte, 1, 0) == 1 else { return nil }
      bytes.append(byte)
    }
    let head = String(decoding: bytes, as: UTF8.self)
    let line = head.split(separator: "\r\n").first { $0.hasPrefix("Content-Length: ") }
    var rest = line.flatMap { Int($0.dropFirst(16)) } ?? 0
    while rest > 0, recv(connection, &byte, 1, 0) == 1 {
      bytes.append(byte)
      rest -= 1
    }
    return bytes
  }
}

extension [UInt8] {
  func ends(with text: String) -> Bool { suffix(text.utf8.count).elementsEqual(text.utf8) }
}
