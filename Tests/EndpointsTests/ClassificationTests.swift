import Foundation
import HTTPTestClient
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct `Classifying` {
  private let host: EchoHost

  init() async { host = await EchoHost.shared.value }

  private func wish(_ count: Int, more: String = "") -> String {
    #""outputs":[{"name":"a","parameters":{"classification":\#(count)\#(more)}}]"#
  }

  private func ask(_ model: String, _ type: String, _ shape: String, _ data: String, _ count: Int) throws -> Answer {
    try host.infer(model, request(input(type, shape, data), more: wish(count)))
  }

  @Test func `names the highest classes with their labels, row by row`() throws {
    let answer = try ask("labeled", "FP32", "[2,3]", "[1,3,2, 0.5,-1,0.25]", 2)
    #expect(answer.text.contains(#""datatype":"BYTES","shape":[2,2]"#))
    #expect(answer.data == #""3.000000:1:dog","2.000000:2:bird","0.500000:0:cat","0.250000:2:bird""#)
  }

  @Test func `gives no more classes than there are, and the tensor for 0`() throws {
    let answer = try ask("labeled", "FP32", "[1,3]", "[1,3,2]", 9)
    #expect(answer.text.contains(#""shape":[1,3]"#))
    #expect(try ask("labeled", "FP32", "[1,3]", "[1,3,2]", 0).data == "1,3,2")
    #expect(try ask("FP32", "FP32", "[3]", "[1,3,2]", 1_000_000_000).data == #""3.000000:1","2.000000:2","1.000000:0""#)
  }

  @Test func `orders ties by index and puts NaN last`() throws {
    #expect(
      try ask("FP32", "FP32", "[4]", "[1,2,2,1]", 4).data == #""2.000000:1","2.000000:2","1.000000:0","1.000000:3""#)
    let last = try ask("FP32", "FP32", "[4]", "[NaN,-Infinity,1,NaN]", 4).data ?? ""
    #expect(last.hasPrefix(#""1.000000:2","-inf:1","#))
    #expect(last.contains(":0") && last.hasSuffix(":3\""))
  }

  @Test(
    arguments: [
      ("INT64", "-9223372036854775808,9223372036854775807", #""9223372036854775807:1""#),
      ("UINT64", "18446744073709551615,1", #""18446744073709551615:0""#), ("INT8", "-3,-2", #""-2:1""#),
      ("UINT8", "3,2", #""3:0""#), ("INT16", "3,2", #""3:0""#), ("UINT16", "3,2", #""3:0""#),
      ("INT32", "3,2", #""3:0""#),
      ("UINT32", "3,2", #""3:0""#), ("FP64", "0.5,1e300", nil),
    ] as [(String, String, String?)])
  func `ranks every type of number`(type: String, data: String, best: String?) throws {
    let answer = try ask(type, type, "[2]", "[\(data)]", 1)
    #expect(answer.status == 200)
    if let best { #expect(answer.data == best) } else { #expect(answer.data?.hasSuffix(".000000:1\"") == true) }
  }

  @Test func `sends classes in binary, as the protocol's own client asks`() throws {
    let json = request(input("FP32", "[2,3]", "[1,3,2,4,5,6]"), more: wish(1, more: #","binary_data":true"#))
    let answer = try host.infer("labeled", json)
    let texts = ["3.000000:1:dog", "6.000000:2:bird"]
    let blob = texts.flatMap { bytes([UInt32($0.utf8.count)]) + Array($0.utf8) }
    #expect(answer.status == 200, "\(answer.text)")
    #expect(answer.blobs == blob)
    #expect(answer.json.contains(#""datatype":"BYTES","shape":[2,1],"parameters":{"binary_data_size":\#(blob.count)}"#))
  }

  @Test func `classifies two outputs, in binary and in JSON, beside each other`() throws {
    let wishes =
      #""outputs":[{"name":"a","parameters":{"classification":1,"binary_data":true}},{"name":"b","parameters":{"classification":2,"binary_data":true}}]"#
    let answer = try host.infer(
      "pairs", request(input("FP32", "[1,2]", "[1,2]"), input("INT32", "[2]", "[3,4]", name: "y"), more: wishes))
    let blob = ["2.000000:1", "4:1", "3:0"].flatMap { bytes([UInt32($0.utf8.count)]) + Array($0.utf8) }
    #expect(answer.blobs == blob)
  }

  @Test func `doesn't walk through a batch without elements`() throws {
    let answer = try ask("cube", "INT32", "[4611686018427387904,1,0]", "[]", 3)
    #expect(answer.text.contains(#""datatype":"BYTES","shape":[4611686018427387904,0],"data":[]"#), "\(answer.text)")
    #expect(try ask("cube", "INT32", "[0,1,3]", "[]", 3).text.contains(#""shape":[0,0],"data":[]"#))
  }

  @Test func `ranks no more than a million elements`() throws {
    let raw = [UInt8](repeating: 0, count: 2_000_000)
    let answer = try host.infer("INT8", request(binary("INT8", "[2000000]", raw.count), more: wish(1)), raw)
    #expect(answer.status == 400)
    #expect(answer.error?.contains("2000000") == true && answer.error?.contains("1000000") == true)
  }
}
