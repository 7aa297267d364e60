import BlockingTests
import Foundation
import Inference
import StadionClient
import Testing
import Wire

/// Real models through socket, protocol, router, runner and back.
@Suite(.blocking, .enabled(if: Setup.hasOnnxRuntime, Comment(rawValue: Setup.needsOnnxRuntime)))
struct `ONNX models through the host` {
  @Test func `text comes back with zero bytes and empty elements`() throws {
    let host = try Host { try $0.addOnnx("text", "identity_utf8") }
    let elements = ["", "größer", "a\0b", String(repeating: "x", count: 100_000)].map { Array($0.utf8) }
    let output = try host.infer("text", DenseTensor(name: "INPUT0", shape: [4], elements: elements))
    #expect(try output[0].byteElements() == elements)
    #expect(try host.infer("text", DenseTensor(name: "INPUT0", shape: [0], elements: []))[0].shape == [0])
  }

  @Test func `batches of any size and scalars have their shapes`() throws {
    let host = try Host { folder in
      try folder.addOnnx("batch", "identity")
      try folder.addOnnx("scalar", "scalar")
      try folder.addOnnx("add", "add")
    }
    for rows in [0, 1, 3, 500] {
      let values = (0..<rows * 16).map(Float.init)
      let output = try host.infer("batch", floats("INPUT0", [Int64(rows), 16], values))
      #expect(output == [floats("OUTPUT0", [Int64(rows), 16], values)])
    }
    #expect(try host.infer("scalar", floats("INPUT0", [], [7])) == [floats("OUTPUT0", [], [7])])
    let ones = [Float](repeating: 1, count: 8)
    let sum = try host.infer("add", floats("y", [2, 4], ones), floats("x", [2, 4], ones))
    #expect(sum == [floats("z", [2, 4], ones.map { $0 * 2 })])
    let scalar = try host.json(
      "POST", "/v2/models/scalar/infer", #"{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[],"data":[0.1]}]}"#)
    #expect(scalar["outputs"] == [["name": "OUTPUT0", "datatype": "FP32", "shape": [], "data": [.number("0.1")]]])
  }

  @Test func `outputs whose shape depends on the data have it`() throws {
    let host = try Host { try $0.addOnnx("nonzero", "nonzero") }
    let found = try host.infer("nonzero", floats("x", [4], [0, 1, 0, 2]))
    #expect(found == [DenseTensor(name: "z", elementType: .i64, shape: [1, 2], values: [Int64(1), 3])])
  }

  @Test func `an engine's failure names the runner and the request after it works`() throws {
    let host = try Host { try $0.addOnnx("divide", "divide") }
    func divide(_ by: Int32) throws -> [DenseTensor] {
      try host.infer(
        "divide", DenseTensor(name: "x", elementType: .i32, shape: [4], values: [Int32](repeating: 6, count: 4)),
        DenseTensor(name: "y", elementType: .i32, shape: [4], values: [Int32](repeating: by, count: 4)))
    }
    #expect(try divide(2)[0].load(Int32.self, at: 0) == 3)
    #expect(try divide(3)[0].load(Int32.self, at: 12) == 2)
  }

  @Test func `a run that has no end is ended by its deadline, and by its caller's leaving`() throws {
    let host = try Host { try $0.addOnnx("loop", "loop") }
    let body = """
      {"inputs":[{"name":"steps","datatype":"INT64","shape":[],"data":[9223372036854775807]},
      {"name":"more","datatype":"BOOL","shape":[],"data":[true]},
      {"name":"x","datatype":"FP32","shape":[64],"data":[\(Array(repeating: "1", count: 64).joined(separator: ","))]}]
      """
    let late = try host.send("POST", "/v2/models/loop/infer", body + #","parameters":{"timeout":50000}}"#)
    #expect(late.status == 504, "\(String(decoding: late.body, as: UTF8.self))")
    let caller = try Command([
      "curl", "-s", "--max-time", "20", "--unix-socket", host.socket, "-d", body + "}",
      "http://host/v2/models/loop/infer",
    ])
    #expect(try holds { try host.running("loop") == 1 })
    caller.send(SIGKILL)
    #expect(try caller.wait().status == 128 + SIGKILL)
    // The drain waits for it, were it still running.
    host.command.send(SIGTERM)
    #expect(try host.command.wait(limit: .seconds(10)).status == 0, "\(host.command.errors)")
  }

  @Test func `real audio gives the known result`() throws {
    try #require(Setup.isThere(Setup.basicPitch), "requires: the model basic_pitch")
    let host = try Host { try $0.copy(Setup.basicPitch, to: "models/basic_pitch/1/model.onnx") }
    var seed: UInt32 = 12345
    let audio = (0..<43844).map { index -> Float in
      seed = seed &* 1_664_525 &+ 1_013_904_223
      let t = Double(index) / 22050
      let noise = Double(seed >> 8) / 16_777_216 - 0.5
      return Float(0.3 * sin(2 * .pi * 261.63 * t) + 0.2 * sin(2 * .pi * 440 * t) + 0.02 * noise)
    }
    let input = try #require(try host.client.metadata(ModelID("basic_pitch")).inputs.first)
    let outputs = try host.infer("basic_pitch", floats(input.name, [1, 43844, 1], audio))
    var sums: [String: Double] = [:]
    for output in outputs {
      sums[String(output.name.suffix(2))] = (0..<output.bytes.count / 4).reduce(0) {
        $0 + Double(output.load(Float.self, at: $1 * 4))
      }
    }
    #expect(abs((sums[":2"] ?? 0) - 1563.336) < 0.01)  // onset
    #expect(abs((sums[":1"] ?? 0) - 1666.808) < 0.01)  // note
    #expect(abs((sums[":0"] ?? 0) - 4713.941) < 0.01)  // contour
  }

  @Test func `a manifest moves them into the host and out of it`() throws {
    let id = "org.stadion.onnxruntime"
    let host = try Host.withRunners {
      try $0.addManifest("onnxruntime")
      try $0.addOnnx("m", "identity_f32")
    }
    let clients = SteadyClients(
      host, "m", body: #"{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1],"data":[1]}]}"#, count: 2)
    for isolation in ["host", "process", "host", "process"] {
      #expect(clients.answersMore())
      try host.folder.addManifest("onnxruntime", ["isolation": isolation])
      #expect(try holds { try (host.process(id) == 0) == (isolation == "host") }, "\(host.state)")
    }
    #expect(clients.answersMore())
    #expect(clients.stop() == [:])
  }

  @Test func `loading and unloading 200 times leaves no memory behind`() throws {
    let host = try Host { try $0.addOnnx("m", "identity_image") }
    func cycle(_ count: Int) throws {
      for _ in 0..<count {
        try host.client.unload("m")
        try host.client.load("m")
      }
    }
    try cycle(20)
    let before = host.residentBytes
    try cycle(200)
    let growth = host.residentBytes - before
    // A session of this small model takes some 300 KB: leaking one a cycle would be 60 MB.
    #expect(growth < 6 << 20, "grew by \(growth / 1024) KB from \(before / 1024) KB")
  }
}

@Suite(.blocking) struct `Memory of a host` {
  @Test func `10000 requests with errors leave none behind`() throws {
    let host = try Host { try $0.addEcho("echo", "X:f32[-1]") }
    let ones = Array(repeating: "1", count: 2000).joined(separator: ",")
    let bad = [
      #"{"inputs":[{"name":"X","datatype":"FP32","shape":[3],"data":[\#(ones)]}]}"#,
      #"{"inputs":[{"name":"X","datatype":"FP32","shape":[2000],"data":[\#(ones)"#,
      #"{"inputs":[{"name":"X","datatype":"FP32","shape":[2000],"data":[\#(ones)]},{"name":"Y"}]}"#,
      #"{"id":7}"#, "",
    ]
    func ask(_ count: Int) throws {
      for index in 0..<count {
        let body = bad[index % bad.count]
        let path = index % 11 == 0 ? "/v2/models/none/infer" : "/v2/models/echo/infer"
        #expect(try (400...404).contains(host.send("POST", path, body).status))
      }
    }
    try ask(2000)
    let before = host.residentBytes
    try ask(10_000)
    let growth = host.residentBytes - before
    // 100 bytes a request would be 1 MB.
    #expect(growth < 1 << 20, "grew by \(growth / 1024) KB from \(before / 1024) KB")
  }

  @Test func `500 connections come and go and leave none behind`() throws {
    let host = try Host { try $0.addEcho("echo", "X:f32[-1]") }
    func connect(_ count: Int) throws {
      let clients = (0..<count).map { _ in StadionClient(.unix(path: host.socket)) }
      for client in clients { #expect(try client.isReady()) }
    }
    try connect(500)
    let before = host.residentBytes
    for _ in 0..<4 { try connect(500) }
    let growth = host.residentBytes - before
    #expect(growth < 1 << 20, "grew by \(growth / 1024) KB from \(before / 1024) KB")
  }
}
