import Foundation
import HTTPTestClient
import Testing

@Suite(.serialized, .timeLimit(.minutes(3))) struct `Random bytes` {
  private let host: EchoHost

  init() async { host = await EchoHost.shared.value }

  private static var valid: [[UInt8]] {
    let x = bytes([Float(1), 2])
    let wish = #""id":"7","parameters":{"timeout":1000000},"outputs":[{"name":"a","parameters":{"classification":2}}]"#
    let chunked = request(input("INT64", "[2]", "[1,-2]"))
    return [
      inferRequest(
        "pairs",
        request(input("FP32", "[1,2]", "[[1.5,2e3]]"), input("INT32", "[2]", "[3,4]", name: "y"), more: allBinary)),
      inferRequest("pairs", request(binary("FP32", "[1,2]", 8), input("INT32", "[2]", "[3,4]", name: "y")), x),
      inferRequest("labeled", request(input("FP32", "[1,3]", "[1,2,3]"), more: wish), nil, ["Accept-Encoding: gzip"]),
      inferRequest("BYTES", request(binary("BYTES", "[2]", 13)), [2, 0, 0, 0, 97, 98, 3, 0, 0, 0, 99, 100, 101]),
      inferRequest(
        "BYTES", request(input("BYTES", "[2]", #"["a\u00e9","\ud83d\ude00"]"#)), nil, ["Expect: 100-continue"]),
      inferRequest("FP16", "", [0, 1, 2, 3]),
      Array("POST /v2/models/INT64/infer HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
        + Array("\(String(chunked.utf8.count, radix: 16))\r\n\(chunked)\r\n0\r\n\r\n".utf8),
      Array(get("/v2/models/gr%C3%B6%C3%9Fer/versions/1/config", "Connection: keep-alive").utf8),
      Array("POST /v2/repository/index HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\r\n{\"ready\":true}".utf8),
    ]
  }

  @Test func `are answered, or end their connection, a thousand times`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed of mutations: \(seed)")
    var random = Seeded(seed)
    let valid = Self.valid
    for request in valid {
      let client = try host.client()
      try client.send(request)
      var answer = try client.answer()
      if answer.status == 100 { answer = try client.answer() }
      #expect(answer.status == 200, "\(String(decoding: request, as: UTF8.self)): \(answer.text)")
    }
    var statuses: [Int: Int] = [:]
    for round in 0..<1000 {
      let sent = mutate(valid.randomElement(using: &random)!, &random)
      let client = try host.client()
      try? client.send(sent)
      client.finishSending()
      // A half-closed socket: whatever is incomplete ends, whatever is complete is answered.
      let rest = try client.rest()
      let text = String(decoding: rest.prefix(12), as: UTF8.self)
      #expect(rest.isEmpty || text.hasPrefix("HTTP/1.1 "), "round \(round), seed \(seed)")
      statuses[rest.isEmpty ? 0 : Int(text.dropFirst(9)) ?? -1, default: 0] += 1
    }
    #expect(statuses[500] == nil && statuses[-1] == nil, "\(statuses)")
    #expect(try host.ask(get("/v2/health/live")).status == 200)
  }

  private func mutate(_ request: [UInt8], _ random: inout Seeded) -> [UInt8] {
    var bytes = request
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      let place = Int.random(in: 0..<bytes.count, using: &random)
      switch Int.random(in: 0..<7, using: &random) {
      case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
      case 1: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
      case 2: bytes.remove(at: place)
      case 3: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
      case 4: bytes.insert(contentsOf: "[]{},:\"0-9e.\\\r\n".utf8.shuffled(using: &random).prefix(3), at: place)
      case 5: bytes.removeLast(min(bytes.count - 1, Int.random(in: 1...20, using: &random)))
      default:
        let end = min(bytes.count, place + Int.random(in: 1...30, using: &random))
        bytes.insert(contentsOf: Array(bytes[place..<end]), at: Int.random(in: 0...bytes.count, using: &random))
      }
    }
    return bytes
  }
}
