import BlockingTests
import Foundation
import Inference
import StadionClient
import Testing
import Wire

/// TorchScript through socket, protocol, router, a confined process with libtorch in it, and back.
@Suite(.blocking, .enabled(if: Setup.hasTorch, Comment(rawValue: Setup.needsTorch)))
struct `TorchScript models through the host` {
  private static let runner = "org.stadion.torch"

  /// Asks until it is answered: a process that was ended comes back with its models.
  private func serves(_ host: Host) -> Bool {
    let ones = floats("x", [1, 4], [1, 1, 1, 1])
    return holds {
      (try? host.infer("add", ones, floats("y", [1, 4], [1, 1, 1, 1]))) == [floats("z", [1, 4], [2, 2, 2, 2])]
    }
  }

  @Test func `every element type comes back bit by bit`() throws {
    let names: [ElementType: String] = [
      .f32: "f32", .f16: "f16", .bf16: "bf16", .f64: "f64", .i8: "i8", .i16: "i16", .i32: "i32", .i64: "i64",
      .u8: "u8", .bool: "bool",
    ]
    let host = try Host { folder in for name in names.values { try folder.addTorch(name, "identity_\(name)") } }
    for (type, name) in names {
      let bytes = (0..<3 * (type.byteCount ?? 0)).map { type == .bool ? UInt8($0 & 1) : UInt8($0 * 29 % 256) }
      let output = try host.infer(name, DenseTensor(name: "x", elementType: type, shape: [3], bytes: bytes))
      #expect(output == [DenseTensor(name: "y", elementType: type, shape: [3], bytes: bytes)], "\(name)")
    }
    #expect(try host.runner(Self.runner)?["isolation"] == "process")
  }

  @Test func `an image network answers as it does without TorchScript, to four clients at once`() throws {
    let host = try Host { try $0.addTorch("cnn", "cnn") }
    let file = URL(fileURLWithPath: Setup.torch("cnn").replacing("cnn.pt", with: "cnn.expected"))
    let wanted = try Data(contentsOf: file).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    let images = (0..<3 * 784).map { sinf(Float($0)) }
    for batch in [3, 1, 2, 3] {
      let image = floats("image", [Int64(batch), 1, 28, 28], Array(images[..<(batch * 784)]))
      let prob = try #require(try host.infer("cnn", image).first)
      #expect(prob.shape == [Int64(batch), 4])
      for index in 0..<batch * 4 {
        #expect(abs(prob.load(Float.self, at: 4 * index) - wanted[index]) < 1e-5)
      }
    }
    let zeros = Array(repeating: "0", count: 784).joined(separator: ",")
    let clients = SteadyClients(
      host, "cnn", body: #"{"inputs":[{"name":"image","datatype":"FP32","shape":[1,1,28,28],"data":[\#(zeros)]}]}"#)
    #expect(clients.answersMore(200))
    #expect(clients.stop() == [:])
  }

  @Test func `a model without types and shapes says what to write, and serves when it is written`() throws {
    let host = try Host { try $0.addTorch("plain", "plain") }
    let words = #""options": {"inputs": "x:f32[-1,3] y:f32[-1,3]", "outputs": "OUTPUT__0:f32[-1,10]"}"#
    #expect(try host.index().first?.contains(words) == true, "\(host.state)")
    try host.folder.write(
      "models/plain/model.json",
      #"{"options": {"inputs": "x:f32[-1,3] y:f32[-1,3]", "outputs": "OUTPUT__0:f32[-1,3]"}}"#)
    #expect(try holds { try host.index() == ["plain:1 READY"] }, "\(host.state)")
    let x = floats("x", [1, 3], [1, 2, 3])
    #expect(try host.infer("plain", x, floats("y", [1, 3], [1, 1, 1])) == [floats("OUTPUT__0", [1, 3], [2, 3, 4])])
  }

  @Test func `what a model says against its input reaches the client`() throws {
    let host = try Host {
      try $0.addTorch("raises", "raises")
      try $0.addTorch("wrong", "wrong_type")
    }
    func ask(_ model: String, _ shape: String) throws -> HTTPResponse {
      try host.send(
        "POST", "/v2/models/\(model)/infer",
        #"{"inputs":[{"name":"x","datatype":"FP32","shape":\#(shape),"data":[-1,1,1,1]}]}"#)
    }
    let raised = try ask("raises", "[4]")
    #expect(raised.status == 400 && raised.text.contains("x is below zero"), "\(raised.status) \(raised.text)")
    let wrong = try ask("wrong", "[1,4]")
    #expect(wrong.status == 502 && wrong.text.contains("output y is i64[1]"), "\(wrong.status) \(wrong.text)")
    #expect(try host.runner(Self.runner)?["crashes"] == 0)
  }

  @Test func `a run without an end costs its process alone`() throws {
    let host = try Host(["--kill-after-ms", "300", "--restart-after-ms", "1"]) {
      try $0.addTorch("loop", "loop")
      try $0.addTorch("add", "add")
      try $0.addEcho("echo", "X:f32[-1]")
    }
    #expect(serves(host))
    let process = try host.process(Self.runner)
    let answer = try host.send(
      "POST", "/v2/models/loop/infer",
      #"{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}],"parameters":{"timeout":100000}}"#)
    #expect([502, 504].contains(answer.status), "\(answer.status) \(answer.text)")
    #expect(try host.infer("echo", floats("X", [1], [7])) == [floats("X", [1], [7])])
    #expect(serves(host), "\(host.state)")
    #expect(try host.process(Self.runner) != process)
    // Its models come back one after the other.
    let below = floats("x", [1], [-1])
    #expect(holds { (try? host.infer("loop", below)) == [floats("y", [1], [-1])] }, "\(host.state)")
  }

  @Test func `files with flipped bits are refused, or end the process, and the host goes on`() throws {
    let host = try Host(["--restart-after-ms", "1"]) { try $0.addTorch("add", "add") }
    let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Setup.torch("cnn"))))
    var seed: UInt32 = 7
    func next(_ bound: Int) -> Int {
      seed = seed &* 1_664_525 &+ 1_013_904_223
      return Int(seed >> 8) % bound
    }
    for round in 0..<40 {
      var bytes = whole
      for _ in 0..<6 { bytes[next(bytes.count)] ^= 1 << next(8) }
      try host.folder.write("models/m\(round)/1/model.pt", bytes)
    }
    try host.folder.write("models/cut/1/model.pt", whole.dropLast(1000))
    // Each is served or has a reason; never is it left open.
    let isDecided = try holds(limit: .seconds(180)) {
      let index = try host.index()
      return index.count == 42 && index.allSatisfy { $0.hasSuffix(" READY") || $0.contains("UNAVAILABLE: ") }
    }
    #expect(isDecided, "\(host.state)")
    // Loads beside it may have ended its process.
    #expect(try host.index().contains { $0.hasPrefix("cut:1 UNAVAILABLE: ") }, "\(host.state)")
    #expect(serves(host), "\(host.state)")
  }

  @Test func `a file that was cut off is refused in libtorch's words`() throws {
    let whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: Setup.torch("add"))))
    let host = try Host { try $0.write("models/cut/1/model.pt", whole.dropLast(1000)) }
    #expect(try host.index().contains { $0.hasPrefix("cut:1 UNAVAILABLE: ") && $0.contains("PytorchStreamReader") })
  }

  @Test func `unloading gives the weights' memory back`() throws {
    let megabyte = 1 << 20
    let host = try Host {
      try $0.addTorch("weights", "weights")
      try $0.addTorch("add", "add")
    }
    let zeros = floats("x", [16384], [Float](repeating: 0, count: 16384))
    func memory() throws -> Int { Processes.memory("RssAnon", of: try host.process(Self.runner)) }
    // What libtorch keeps of its first runs stays; the weights are 32 MB.
    var least = Int.max
    for _ in 0..<4 {
      for _ in 0..<3 { #expect(try host.infer("weights", zeros)[0].shape == [16384]) }
      let loaded = try memory()
      try host.client.unload("weights")
      #expect(try holds { try memory() < loaded - 28 * megabyte }, "of \(loaded) bytes: \(host.state)")
      let left = try memory()
      least = min(least, left)
      #expect(left < least + 16 * megabyte, "\(left) bytes are left, were \(least)")
      try host.client.load("weights")
    }
  }
}
