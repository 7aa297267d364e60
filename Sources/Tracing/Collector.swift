import CCurl
import Glibc
package import Inference
import Synchronization
import Wire

/// Where traces are sent: OTLP over HTTP, by libcurl. Used on one thread.
package final class Collector: @unchecked Sendable {
  // @unchecked: `handle` is used by the exporter's thread alone.
  private let url: String
  private let handle: UnsafeMutableRawPointer
  /// Set when the host ends: a collector that doesn't answer must not hold that up.
  let isStopped = Atomic<Bool>(false)

  private static let connectMs = 2000
  private static let stalledSeconds = 10

  /// - Parameter endpoint: `http://host:port`, or with the path of the collector's own; without it, `/v1/traces`.
  /// - Throws: `.invalidRequest` for what is no address; `.unsupported` without libcurl.
  package init(endpoint: String) throws(HostError) {
    let isHTTP = endpoint.hasPrefix("http://") || endpoint.hasPrefix("https://")
    let parts = endpoint.split(separator: "/", omittingEmptySubsequences: false)
    guard isHTTP, parts.count >= 3, !parts[2].isEmpty, endpoint.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
      throw HostError(.invalidRequest, "a collector's address is http://HOST:PORT or https://…, not \"\(endpoint)\"")
    }
    let hasPath = parts.dropFirst(3).contains { !$0.isEmpty }
    url = hasPath ? endpoint : parts[..<3].joined(separator: "/") + "/v1/traces"
    var text = [CChar](repeating: 0, count: Int(CURL_EXCHANGE_ERROR_BYTES))
    guard curl_exchange_open(&text), let handle = curl_exchange_new() else {
      let reason = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      throw HostError(.unsupported, "traces are sent by libcurl.so.4 (\(reason)); install Debian's package libcurl4")
    }
    self.handle = handle
  }

  deinit { curl_exchange_free(handle) }

  private struct Transfer {
    let body: ByteBuffer
    var sentCount = 0
    let collector: Collector
  }

  /// - Returns: Why the batch is lost; nil if the collector has taken it.
  func send(_ body: ByteBuffer) -> String? {
    var transfer = Transfer(body: body, collector: self)
    var error = [CChar](repeating: 0, count: Int(CURL_EXCHANGE_ERROR_BYTES))
    var status = 0
    let texts: [UnsafeMutablePointer<CChar>?] = [strdup("content-type: application/json"), strdup("expect:")]
    defer { for text in texts { free(text) } }
    let lines = texts.map { UnsafePointer($0) } + [nil]
    let code = withUnsafeMutablePointer(to: &transfer) { transfer in
      "POST".withCString { method in
        url.withCString { url in
          lines.withUnsafeBufferPointer { headers in
            var exchange = curl_exchange()
            exchange.method = method
            exchange.url = url
            exchange.headers = headers.baseAddress
            exchange.body_byte_count = Int64(body.count)
            exchange.connect_ms = Self.connectMs
            exchange.stalled_s = Self.stalledSeconds
            exchange.context = UnsafeMutableRawPointer(transfer)
            exchange.read = { Collector.read(into: $0!, $1, Collector.transfer($2)) }
            exchange.rewind = { Collector.transfer($0).pointee.sentCount = 0 }
            exchange.header = { _, _, _ in }
            exchange.write = { _, _, _ in true }
            exchange.goes_on = { !Collector.transfer($0).pointee.collector.isStopped.load(ordering: .relaxed) }
            return curl_exchange_run(handle, &exchange, &status, &error)
          }
        }
      }
    }
    if code != 0 { return String(decoding: error.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) }
    return (200...299).contains(status) ? nil : "the collector answered \(status)"
  }

  private static func transfer(_ context: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<Transfer> {
    context!.assumingMemoryBound(to: Transfer.self)
  }

  private static func read(
    into out: UnsafeMutableRawPointer, _ capacity: Int, _ transfer: UnsafeMutablePointer<Transfer>
  ) -> Int {
    let body = transfer.pointee.body
    let count = min(capacity, body.count - transfer.pointee.sentCount)
    out.copyMemory(from: body.base + transfer.pointee.sentCount, byteCount: count)
    transfer.pointee.sentCount += count
    return count
  }
}
