import BlockingTests
import Foundation
import StadionClient
import Testing

@Suite(.blocking) struct `Broken requests` {
  /// A small generator with a seed that a failing test names.
  private struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ state >> 29
    }
  }

  private static func request(_ headers: String, _ body: String) -> [UInt8] {
    Array("POST /v2/models/pair/infer HTTP/1.1\r\nHost: x\r\n\(headers)\r\n\(body)".utf8)
  }

  private static let json =
    #"{"id":"7","parameters":{"n":1,"binary_data_output":false},"inputs":[{"name":"A","shape":[2,2],"datatype":"FP32","#
    + #""data":[[1,-2.5e3],[0.1,4]]},{"name":"T","shape":[2],"datatype":"BYTES","data":["a\u00fc\n","\\"]}],"#
    + #""outputs":[{"name":"A","parameters":{"classification":2}},{"name":"T"}]}"#

  private static let binary =
    #"{"inputs":[{"name":"A","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}},"#
    + #"{"name":"T","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":7}}],"#
    + #""parameters":{"binary_data_output":true}}"#

  private static let valid: [[UInt8]] = [
    request("Content-Length: \(json.utf8.count)\r\n", json),
    request("Transfer-Encoding: chunked\r\n", "\(String(json.utf8.count, radix: 16))\r\n\(json)\r\n0\r\n\r\n"),
    request(
      "Content-Length: \(binary.utf8.count + 15)\r\nInference-Header-Content-Length: \(binary.utf8.count)\r\n",
      binary + "\0\0\0\0\0\0\0\0\u{3}\0\0\0abc"),
    Array("GET /v2/models/pair HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n".utf8),
    Array("POST /v2/repository/index HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n{\"ready\":true}".utf8),
  ]

  /// Changes, drops, repeats or moves a few bytes.
  private static func mutated(_ bytes: [UInt8], _ random: inout Random) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
      let at = Int.random(in: 0..<bytes.count, using: &random)
      let end = min(bytes.count, at + Int.random(in: 1...12, using: &random))
      switch Int.random(in: 0..<6, using: &random) {
      case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
      case 1: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 2: bytes.removeSubrange(at..<end)
      case 3: bytes.insert(contentsOf: bytes[at..<end], at: at)
      case 4: bytes[at] = Array("0123456789[]{},:\"\\ \r\n".utf8).randomElement(using: &random)!
      default: bytes.removeSubrange(at...)
      }
    }
    return bytes
  }

  @Test func `the requests that are broken below are good ones`() throws {
    let host = try Host { try $0.addEcho("pair", "A:f32[-1,2] T:utf8[-1]") }
    for request in Self.valid {
      let connection = try RawConnection(host.socket)
      connection.send(request)
      connection.endSending()
      let answer = try #require(connection.readToEnd())
      #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"), "\(answer)")
    }
    // And behind each other on one connection.
    let connection = try RawConnection(host.socket)
    connection.send(Self.valid.flatMap(\.self))
    connection.endSending()
    let answers = connection.readToEnd() ?? ""
    #expect(answers.components(separatedBy: "HTTP/1.1 200 OK\r\n").count == 1 + Self.valid.count, "\(answers)")
  }

  @Test func `1000 mutations are answered or closed, and the host lives`() throws {
    let host = try Host { try $0.addEcho("pair", "A:f32[-1,2] T:utf8[-1]") }
    for seed in 0..<1000 {
      var random = Random(state: UInt64(seed))
      let request = Self.mutated(Self.valid[seed % Self.valid.count], &random)
      let connection = try RawConnection(host.socket)
      connection.send(request)
      connection.endSending()
      let answer = connection.readToEnd()
      let text = String(decoding: request, as: UTF8.self)
      #expect(answer != nil, "seed \(seed): the connection was left open for \(text)")
      // A request that is cut short may get no answer; any answer is a whole one.
      let isAnswer = answer?.isEmpty != false || answer?.hasPrefix("HTTP/1.1 ") == true
      #expect(isAnswer, "seed \(seed): \(answer ?? "") to \(text)")
      #expect(answer?.hasPrefix("HTTP/1.1 500") != true, "seed \(seed): \(answer ?? "") to \(text)")
    }
    #expect(try host.client.isReady())
    #expect(host.command.status == nil)
  }
}
