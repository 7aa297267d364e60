import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// The memory that a host shares with its runners' processes.
@Suite(.blocking) struct `Memory of requests` {
  private static let megabyte = 1 << 20
  /// Of both processes, where the pages of shared memory are counted in each that has touched them.
  private static let noise = 6 * megabyte

  private func large(_ megabytes: Int) -> DenseTensor {
    let count = megabytes * Self.megabyte / 4
    return floats("X", [Int64(count)], (0..<count).map { Float($0 % 1000) })
  }

  private func start(_ arguments: [String] = []) throws -> Host {
    try Host.withRunners(arguments) {
      try $0.addFaulty("org.a")
      try $0.addFaultyModel("m")
    }
  }

  @Test func `comes back when the model is unloaded`() throws {
    let host = try start()
    _ = try host.infer("m", large(1))
    try host.client.unload("m")
    try host.client.load("m")
    let process = try host.process()
    let shared = Processes.memory("RssShmem", of: host.command.pid)
    let all = host.residentBytes
    let own = Processes.memory("RssAnon", of: process)
    for _ in 0..<3 { #expect(try host.infer("m", large(32))[0].shape == [Int64(8 * Self.megabyte)]) }
    // They were there, or their return would prove nothing: input and output, kept for the next of their size.
    #expect(Processes.memory("RssShmem", of: host.command.pid) > shared + 48 * Self.megabyte)
    try host.client.unload("m")
    #expect(
      holds { Processes.memory("RssShmem", of: host.command.pid) < shared + Self.noise },
      "\(Processes.memory("RssShmem", of: host.command.pid) - shared) bytes more are shared")
    #expect(
      holds { host.residentBytes < all + Self.noise }, "the host has \(host.residentBytes - all) bytes more")
    #expect(Processes.memory("RssShmem", of: process) < Self.noise)
    #expect(
      Processes.memory("RssAnon", of: process) < own + Self.noise,
      "the runner has \(Processes.memory("RssAnon", of: process) - own) bytes more")
  }

  @Test func `comes back with the end of the process, as does its address space`() throws {
    let host = try start()
    _ = try host.infer("m", large(1))
    let shared = Processes.memory("RssShmem", of: host.command.pid)
    let all = host.residentBytes
    for _ in 0..<3 {
      _ = try host.infer("m", large(32))
      #expect(Processes.memory("RssShmem", of: host.command.pid) > shared + 48 * Self.megabyte)
      try host.folder.move("runners/org.a.runner.json", to: "aside")
      #expect(
        holds { Processes.memory("RssShmem", of: host.command.pid) < shared + Self.noise },
        "\(Processes.memory("RssShmem", of: host.command.pid) - shared) bytes more are shared")
      #expect(
        holds { host.residentBytes < all + Self.noise }, "the host has \(host.residentBytes - all) bytes more")
      try host.folder.move("aside", to: "runners/org.a.runner.json")
      #expect(try holds { try host.ask("m").status == 200 }, "\(host.state)")
    }
    // One arena of four gigabytes for each process, not for each that there ever was.
    #expect(
      holds { Processes.memory("VmSize", of: host.command.pid) < 9 << 30 },
      "\(Processes.memory("VmSize", of: host.command.pid)) bytes of address space")
  }

  @Test func `comes back when clients leave in the middle of a body`() throws {
    let host = try start(["--runner-memory-bytes", String(16 * Self.megabyte)])
    let count = 3 * Self.megabyte / 4
    let head =
      #"{"inputs":[{"name":"X","datatype":"FP32","shape":[\#(count)],"#
      + #""parameters":{"binary_data_size":\#(4 * count)}}]}"#
    let start = Array(
      ("POST /v2/models/m/infer HTTP/1.1\r\nHost: h\r\nInference-Header-Content-Length: \(head.utf8.count)\r\n"
        + "Content-Length: \(head.utf8.count + 4 * count)\r\n\r\n" + head).utf8)
    let half = start + [UInt8](repeating: 0, count: 2 * count)
    let shared = Processes.memory("RssShmem", of: host.command.pid)
    for _ in 0..<40 { try RawConnection(host.socket).send(half) }
    // All at once, more than there is room for: those without take another way, and nobody keeps anything.
    do {
      let crowd = try (0..<12).map { _ in try RawConnection(host.socket) }
      for each in crowd { each.send(half) }
      #expect(Processes.memory("RssShmem", of: host.command.pid) > shared + 2 * Self.megabyte)
    }
    let input = large(3)
    let answered = holds { (try? host.infer("m", input)) != nil }
    #expect(answered, "no room is left")
    for _ in 0..<10 { #expect(try host.infer("m", input)[0].load(Float.self, at: 4) == 2) }
    #expect(try host.runner()?["crashes"] == 0)
  }

  @Test func `that is too little for a request is said`() throws {
    let host = try start(["--runner-memory-bytes", String(16 * Self.megabyte)])
    let error = #expect(throws: (any Error).self) { try host.infer("m", large(20)) }
    #expect(error.map { "\($0)".contains("try again later") } == true, "\(error.map { "\($0)" } ?? "")")
    #expect(try host.infer("m", large(1))[0].shape == [Int64(Self.megabyte / 4)])
  }
}

/// Tensors through a process and back.
@Suite(.blocking) struct `Tensors of a runner in a process` {
  private func start() throws -> Host {
    try Host.withRunners {
      try $0.addEchoRunner()
      try $0.addEcho("f", "X:f32[-1]")
      try $0.addEcho("b", "X:utf8[-1]")
      try $0.addEcho("pair", "X:f32[-1] Y:utf8[-1]")
    }
  }

  /// The same bits for the same seed, none of them NaN.
  private func numbers(_ count: Int) -> [Float] {
    var state: UInt32 = 1
    return (0..<count).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      let value = Float(bitPattern: state)
      return value.isFinite ? value : 0
    }
  }

  /// Elements of every byte and of many lengths, empty ones too.
  private let strings: [[UInt8]] =
    [[], [0], Array(0...255)] + (0..<600).map { index in (0..<index).map { UInt8(truncatingIfNeeded: $0 &* index) } }

  @Test func `come back bit by bit, in binary`() throws {
    let host = try start()
    let x = floats("X", [150_000], numbers(150_000))
    let y = DenseTensor(name: "Y", shape: [Int64(strings.count)], elements: strings)
    for _ in 0..<3 {
      #expect(try host.infer("f", x) == [x])
      #expect(try host.infer("pair", x, y) == [x, y])
      let alone = DenseTensor(name: "X", shape: y.shape, elements: strings)
      #expect(try host.infer("b", alone) == [alone])
    }
  }

  @Test func `come back value by value, as JSON`() throws {
    let host = try start()
    let values = numbers(150_000)
    let data = values.map { "\($0)" }.joined(separator: ",")
    let answer = try host.json(
      "POST", "/v2/models/f/infer",
      #"{"inputs":[{"name":"X","datatype":"FP32","shape":[150000],"data":[\#(data)]}]}"#)
    let back = try #require(answer["outputs"]?.array?.first?["data"]?.array)
    #expect(back.compactMap { $0.double.map(Float.init) } == values)
    let words: JSONValue = [
      "", "größer", "quote \" and \\", "\u{1}", "😀", .string(String(repeating: "x", count: 70_000)),
    ]
    let said = try host.json(
      "POST", "/v2/models/b/infer", #"{"inputs":[{"name":"X","datatype":"BYTES","shape":[6],"data":\#(words.text)}]}"#)
    #expect(said["outputs"]?.array?.first?["data"] == words)
  }
}
