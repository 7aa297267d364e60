import BlockingTests
import Foundation
import Inference
import StadionClient
import Synchronization
import Testing
import Wire

/// Real models through socket, protocol, router, runner and back.
@Suite(.blocking, .enabled(if: Setup.hasLiteRT, Comment(rawValue: Setup.needsLiteRT)))
struct `TFLite models through the host` {
  private static let id = "org.stadion.litert"

  private static func image(_ caller: Int) -> DenseTensor {
    floats("input", [1, 128, 128, 3], (0..<49152).map { Float(($0 + caller * 7919) % 255) / 127.5 - 1 })
  }

  @Test func `have the same answer in a process of the runner and in the host`() throws {
    let answers = try ["process", "host"].map { isolation in
      let host = try Host.withRunners {
        try $0.addLiteRTRunner(isolation: isolation)
        try $0.addTFLite("faces", Setup.faces)
      }
      #expect(try host.server(of: "faces") == Self.id)
      #expect((try host.process(Self.id) != 0) == (isolation == "process"))
      let outputs = try host.infer("faces", Self.image(0))
      #expect(Set(outputs.map(\.shape)) == [[1, 896, 1], [1, 896, 16]])
      #expect(try host.infer("faces", Self.image(0)) == outputs)
      return outputs
    }
    #expect(answers[0] == answers[1])
  }

  @Test(arguments: ["process", "host"])
  func `answer 4 clients with their own answers, 1000 times`(isolation: String) throws {
    let host = try Host.withRunners {
      try $0.addLiteRTRunner(isolation: isolation)
      try $0.addTFLite("faces", Setup.faces)
    }
    let right = try (0..<4).map { try host.infer("faces", Self.image($0)) }
    let wrong = Mutex<[String]>([])
    let socket = host.socket
    DispatchQueue.concurrentPerform(iterations: 4) { caller in
      let client = StadionClient(.unix(path: socket), timeout: .seconds(20))
      for round in 0..<250 {
        let outputs = try? client.infer(ModelID("faces"), inputs: [Self.image(caller)]).outputs
        if outputs != right[caller] { wrong.withLock { $0.append("client \(caller), round \(round)") } }
      }
    }
    #expect(wrong.withLock { $0 } == [])
  }

  @Test func `follow the batch, and tell their signature and quantisation`() throws {
    let host = try Host {
      try $0.addTFLite("add", Setup.tflite("add"))
      try $0.addTFLite("int8", Setup.tflite("cnn_int8"))
      try $0.addTFLite("encode", Setup.tflite("signatures"), settings: #"{"options": {"signature": "encode"}}"#)
    }
    for rows in [1, 64, 3] {
      let ones = [Float](repeating: 1, count: rows * 4)
      let sum = try host.infer("add", floats("y", [Int64(rows), 4], ones), floats("x", [Int64(rows), 4], ones))
      #expect(sum == [floats("z", [Int64(rows), 4], ones.map { $0 * 2 })])
    }
    #expect(try host.client.metadata(ModelID("encode")).inputs.map(\.name) == ["x"])
    let facts = try host.json("GET", "/v2/models/int8").text
    #expect(facts.contains("quant.image"), "\(facts)")
  }

  @Test func `that LiteRT would answer with nothing aren't served, and it says what to do`() throws {
    let host = try Host(["--runners", "org.stadion.litert"]) {
      try $0.addTFLite("reshape", Setup.tflite("reshape"))
      try $0.addTFLite("add", Setup.tflite("add"))
    }
    let row = try #require(try host.index().first { $0.hasPrefix("reshape:") })
    #expect(row.contains("UNAVAILABLE"), "\(row)")
    #expect(row.contains("output z unwritten") && row.contains("scripts/tflite-static"), "\(row)")
    let one = [Float](repeating: 1, count: 4)
    #expect(try host.infer("add", floats("x", [1, 4], one), floats("y", [1, 4], one))[0].shape == [1, 4])
  }

  @Test func `end with their deadline`() throws {
    let host = try Host { try $0.addTFLite("loop", Setup.tflite("loop")) }
    let numbers = Array(repeating: "0.01", count: 4096).joined(separator: ",")
    let late = try host.send(
      "POST", "/v2/models/loop/infer",
      """
      {"inputs":[{"name":"n","datatype":"INT32","shape":[],"data":[2147483647]},
      {"name":"x","datatype":"FP32","shape":[64,64],"data":[\(numbers)]}],"parameters":{"timeout":50000}}
      """)
    #expect(late.status == 504, "\(late.text)")
    #expect(holds { (try? host.running("loop")) == 0 })
  }

  @Test func `give their memory back when they are unloaded`() throws {
    let host = try Host {
      try $0.addTFLite("add", Setup.tflite("add"))
      try $0.addTFLite("faces", Setup.faces)
    }
    func cycle() throws {
      try host.client.load("faces")
      for caller in 0..<4 { _ = try host.infer("faces", Self.image(caller)) }
      try host.client.unload("faces")
    }
    try cycle()
    let process = try host.process(Self.id)
    let before = Processes.memory("RssAnon", of: process)
    for _ in 0..<20 { try cycle() }
    let growth = Processes.memory("RssAnon", of: process) - before
    // A compiled model of these faces takes 5 MB at least: leaking one a cycle would be 100 MB.
    #expect(growth < 5 << 20, "grew by \(growth / 1024) KB from \(before / 1024) KB")
  }
}
