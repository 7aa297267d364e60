import CCurl
import Glibc
import Inference

/// One request and its answer while libcurl calls back. Used on one thread.
final class HTTPExchange {
  /// Takes the head of a 200 or 206, and then its body in pieces.
  struct Sink {
    var head: (HTTPAnswer) throws(HostError) -> Void = { (_) throws(HostError) in }
    var body: (UnsafeRawBufferPointer) throws(HostError) -> Void
  }

  /// Bytes of an answer that are kept: a page of a list, or the text of an error.
  static let maxKeptBytes = 8 << 20

  private(set) var answer = HTTPAnswer()
  /// Why we have given up, where it was us.
  private(set) var failure: HostError?

  private let request: HTTPRequest
  private let call: StorageCall
  private let what: String
  private let sink: Sink?
  private var sentCount = 0
  private var isHeadKnown = false

  init(_ request: HTTPRequest, _ call: StorageCall, _ what: String, _ sink: Sink?) {
    self.request = request
    self.call = call
    self.what = what
    self.sink = sink
  }

  /// libcurl's code.
  func run(
    on handle: UnsafeMutableRawPointer, caFile: String?, isDirect: Bool, connectMs: Int, stalledSeconds: Int,
    error: inout [CChar]
  ) -> CInt {
    let lines =
      request.headers.map { "\($0.name): \($0.value)" }
      // What libcurl would add.
      + (request.headers.contains { $0.name == "content-type" } ? [] : ["content-type:"]) + ["accept:"]
    var headers = lines.map { UnsafePointer(strdup($0)) } + [nil]
    defer { for line in headers { free(UnsafeMutableRawPointer(mutating: line)) } }
    let hasBody = request.method == "PUT" || request.method == "POST"
    var status = 0
    let code = request.method.withCString { method in
      request.address.text.withCString { url in
        withOptionalCString(caFile) { caFile in
          headers.withUnsafeMutableBufferPointer { headers in
            var exchange = curl_exchange()
            exchange.method = method
            exchange.url = url
            exchange.headers = UnsafePointer(headers.baseAddress)
            exchange.body_byte_count = hasBody ? Int64(request.body.byteCount) : -1
            exchange.ca_file = caFile
            exchange.bypasses_proxy = isDirect
            exchange.connect_ms = connectMs
            exchange.stalled_s = stalledSeconds
            exchange.context = Unmanaged.passUnretained(self).toOpaque()
            exchange.read = { HTTPExchange.at($2).read(UnsafeMutableRawBufferPointer(start: $0, count: $1)) }
            exchange.rewind = { HTTPExchange.at($0).sentCount = 0 }
            exchange.header = { HTTPExchange.at($2).take(line: UnsafeRawBufferPointer(start: $0, count: $1)) }
            exchange.write = { HTTPExchange.at($2).take(body: UnsafeRawBufferPointer(start: $0, count: $1)) }
            exchange.goes_on = { HTTPExchange.at($0).goesOn() }
            return withExtendedLifetime(self) { curl_exchange_run(handle, &exchange, &status, &error) }
          }
        }
      }
    }
    answer.status = status
    return code
  }

  private static func at(_ context: UnsafeMutableRawPointer?) -> HTTPExchange {
    Unmanaged<HTTPExchange>.fromOpaque(context!).takeUnretainedValue()
  }

  private func goesOn() -> Bool { attempt { () throws(HostError) in try call.check(what) } }

  private func read(_ out: UnsafeMutableRawBufferPointer) -> Int {
    var count = Int.max
    let isRead = attempt { () throws(HostError) in
      switch request.body {
      case .none: count = 0
      case .bytes(let bytes):
        count = min(out.count, bytes.count - sentCount)
        bytes.withUnsafeBytes {
          out.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[sentCount..<sentCount + count]))
        }
      case .file(let slice): count = try slice.read(at: sentCount, into: out)
      }
    }
    guard isRead else { return -1 }
    sentCount += count
    return count
  }

  private func take(line: UnsafeRawBufferPointer) {
    let text = String(decoding: line, as: UTF8.self)
    // An interim answer's head comes before the final one's.
    if text.hasPrefix("HTTP/") {
      answer = HTTPAnswer()
      answer.status = text.split(separator: " ").dropFirst().first.flatMap { Int($0.trimmed) } ?? 0
      isHeadKnown = false
    } else if let colon = text.firstIndex(of: ":") {
      answer.headers[text[..<colon].lowercased()] = text[text.index(after: colon)...].trimmed
    }
  }

  private func take(body bytes: UnsafeRawBufferPointer) -> Bool {
    attempt { () throws(HostError) in
      try call.check(what)
      if let sink, answer.status == 200 || answer.status == 206 {
        if !isHeadKnown { try sink.head(answer) }
        isHeadKnown = true
        try sink.body(bytes)
      } else {
        guard answer.body.count + bytes.count <= Self.maxKeptBytes else {
          throw HostError(.internalError, "\(what): the answer has more than \(Self.maxKeptBytes) bytes")
        }
        answer.body += bytes
      }
    }
  }

  private func attempt(_ body: () throws(HostError) -> Void) -> Bool {
    do throws(HostError) { try body() } catch {
      failure = failure ?? error
      return false
    }
    return true
  }
}

private func withOptionalCString<T>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> T) -> T {
  text.map { $0.withCString(body) } ?? body(nil)
}

extension StringProtocol {
  /// Without spaces and line ends around it.
  var trimmed: String {
    let isBlank = { (character: Character) in character == " " || character == "\t" || character.isNewline }
    return String(drop(while: isBlank).reversed().drop(while: isBlank).reversed())
  }
}
