import Foundation
import Synchronization
import Wire

/// A little HTTP server on a loopback port that keeps what is posted to it.
final class Collector: Sendable {
  struct Batch: Sendable {
    let path: String
    let contentType: String
    let body: JSONValue
  }

  let port: UInt16
  private let listener: CInt
  private let received = Mutex<[Batch]>([])

  var batches: [Batch] { received.withLock { $0 } }

  /// - Parameter answers: False takes connections and says nothing.
  init(answers: Bool = true, status: String = "200 OK") {
    listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let listener = listener
    withUnsafeMutablePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        precondition(bind(listener, $0, size) == 0 && listen(listener, 16) == 0)
        getsockname(listener, $0, &size)
      }
    }
    port = UInt16(bigEndian: name.sin_port)
    let box = Unmanaged.passRetained(self)
    Thread.detachNewThread {
      let server = box.takeRetainedValue()
      while true {
        let client = accept(listener, nil, nil)
        if client < 0 { return }
        if answers { Thread.detachNewThread { server.serve(client, status) } }
      }
    }
  }

  /// Ends the thread that accepts, and with it the object.
  func stop() { shutdown(listener, CInt(SHUT_RDWR)) }

  deinit { close(listener) }

  var url: String { "http://127.0.0.1:\(port)" }

  private func serve(_ client: CInt, _ status: String) {
    defer { close(client) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 64 * 1024)
    while true {
      let count = read(client, &part, part.count)
      guard count > 0 else { return }
      bytes += part[..<count]
      while let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) {
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        func header(_ name: String) -> String {
          let line = lines.first { $0.lowercased().hasPrefix(name + ":") } ?? ""
          return String(line.dropFirst(name.count + 1)).trimmingCharacters(in: .whitespaces)
        }
        let length = Int(header("content-length")) ?? 0
        guard bytes.count >= end.upperBound + length else { break }
        let body = Array(bytes[end.upperBound..<end.upperBound + length])
        bytes.removeFirst(end.upperBound + length)
        let batch = Batch(
          path: String(lines[0].split(separator: " ")[1]), contentType: header("content-type"),
          body: (try? JSONValue(parsing: body)) ?? .null)
        received.withLock { $0.append(batch) }
        let answer = Array("HTTP/1.1 \(status)\r\nContent-Length: 2\r\n\r\n{}".utf8)
        _ = answer.withUnsafeBytes { send(client, $0.baseAddress!, $0.count, CInt(MSG_NOSIGNAL)) }
      }
    }
  }

  /// All spans that have come, in order.
  var spans: [JSONValue] {
    batches.flatMap { batch in
      (batch.body["resourceSpans"]?.array ?? []).flatMap { $0["scopeSpans"]?.array ?? [] }
        .flatMap { $0["spans"]?.array ?? [] }
    }
  }
}
