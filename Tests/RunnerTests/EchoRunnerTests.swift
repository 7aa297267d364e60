import CStadionRunner
import Foundation
import Testing

@Suite struct `The echo runner` {
  private func load(_ options: [String: String]) throws -> LoadedModel {
    try Plugin.echo.load(Plugin.echo.create(), "/", options)
  }

  @Test func `says what it is and what it runs on`() {
    let table = Plugin.echo.raw.pointee
    #expect(String(cString: table.id) == "org.stadion.echo")
    #expect(String(cString: table.version) == "0.1.0")
    let device = table.device(0)!.pointee
    #expect(String(cString: device.kind_name) == "cpu")
    #expect(String(cString: device.formats[0]!) == "echo")
    #expect(device.formats[1] == nil)
    #expect(device.flags == 0b1101)
    #expect(device.max_concurrent_runs == 64)
    #expect(table.device(1) == nil)
  }

  @Test(
    arguments: zip(
      1...14, ["f32", "f16", "bf16", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "bool", "utf8"]))
  func `repeats every element type`(dtype: Int, name: String) throws {
    let model = try load(["inputs": "x:\(name)[-1]", "outputs": "y:\(name)[-1]"])
    #expect(model.signature(outputs: false) == ["x \(dtype) [-1]"])
    var tensor = Tensor("x", dtype: dtype, [2], Array(0..<16))
    if dtype == STADION_UTF8 { tensor = Tensor("x", [2], text: ["", "größer"]) }
    let outputs = try model.run([tensor])
    tensor.name = "y"
    #expect(outputs == [tensor])
  }

  @Test func `reads names with colons, scalars, many dimensions`() throws {
    let model = try load(["inputs": "Call:2:f32[] b:i64[1,-1,0,3,4,5,6,7]"])
    #expect(model.signature(outputs: false) == ["Call:2 1 []", "b 8 [1, -1, 0, 3, 4, 5, 6, 7]"])
    #expect(model.signature(outputs: true) == model.signature(outputs: false))
  }

  @Test func `emits only the outputs that are wanted`() throws {
    let model = try load(["inputs": "a:i8[1] b:i8[1]", "outputs": "x:i8[1] y:i8[1]"])
    let inputs = [Tensor("a", STADION_I8, [1], of: [Int8(1)]), Tensor("b", STADION_I8, [1], of: [Int8(2)])]
    #expect(try model.run(inputs, wanted: [1]).map(\.name) == ["y"])
    #expect(try model.run(inputs, wanted: [1])[0].bytes == [2])
    #expect(try model.run(inputs).map(\.bytes) == [[1], [2]])
  }

  @Test func `fails as its options say`() throws {
    let model = try load(["inputs": "x:i8[1]", "fail": "out of coffee"])
    let input = Tensor("x", STADION_I8, [1], of: [Int8(1)])
    let run = try failure { try model.run([input]) }
    #expect(run?.code == STADION_INTERNAL)
    #expect(run?.message == "out of coffee")
    #expect(run?.source == "echo")
    let load = try failure { try self.load(["inputs": "x:i8[1]", "fail_load": "closed"]) }
    #expect(load?.code == STADION_INTERNAL)
    #expect(load?.message == "closed")
  }

  @Test(.timeLimit(.minutes(1))) func `ends a long run when it is cancelled`() throws {
    let model = try load(["inputs": "x:i8[1]", "sleep_ms": "3600000"])
    let ticket = TestTicket()
    let run = Background { try model.run([Tensor("x", STADION_I8, [1], of: [Int8(1)])], ticket: ticket) }
    ticket.asked.wait()
    ticket.cancel()
    #expect(run.wait()?.code == STADION_CANCELLED)
  }

  @Test(arguments: malformed)
  func `refuses a malformed option`(options: Malformed) throws {
    let failure = try failure { try load(options.pairs) }
    #expect(failure?.code == STADION_INVALID_ARGUMENT)
    #expect(failure?.message.isEmpty == false)
  }
}

/// What `body` throws as a plugin's failure; nil when it succeeds.
func failure<Result>(_ body: () throws -> Result) throws -> Failure? {
  do {
    _ = try body()
    return nil
  } catch let failure as Failure {
    return failure
  }
}

/// A run on a thread of its own, as the contract wants it.
final class Background: @unchecked Sendable {  // `failure` is written before `done` is signalled and read after
  private var failure: Failure?
  private let done = DispatchSemaphore(value: 0)

  init(_ body: @escaping @Sendable () throws -> [Tensor]) {
    Thread.detachNewThread {
      do { _ = try body() } catch { self.failure = error as? Failure }
      self.done.signal()
    }
  }

  /// How it failed; nil when it went well.
  func wait() -> Failure? {
    done.wait()
    return failure
  }
}

/// Options that must be refused; the name of a test shows only their beginning.
struct Malformed: Sendable, CustomTestStringConvertible {
  let pairs: [String: String]
  var testDescription: String { String("\(pairs)".prefix(60)) }
}

private let malformed = [
  [:], ["inputs": ""], ["inputs": " "], ["inputs": "x"], ["inputs": "x:f32"], ["inputs": ":f32[1]"],
  ["inputs": "x:f33[1]"], ["inputs": "x:?[1]"], ["inputs": "x:f32[1"], ["inputs": "x:f32[1]]"],
  ["inputs": "x:f32[1,]"], ["inputs": "x:f32[,1]"], ["inputs": "x:f32[--1]"], ["inputs": "x:f32[-2]"],
  ["inputs": "x:f32[1-1]"], ["inputs": "x:f32[+1]"], ["inputs": "x:f32[ 1]"], ["inputs": "x:f32[a]"],
  ["inputs": "x:f32[9223372036854775807]"], ["inputs": "x:f32[99999999999999999999999]"],
  ["inputs": "x:f32[1,1,1,1,1,1,1,1,1]"], ["inputs": "x:f32[1] x:f32[1]"], ["inputs": "x:f32[1]\0"],
  ["inputs": (0...32).map { "x\($0):i8[1]" }.joined(separator: " ")],
  ["inputs": String(repeating: "x", count: 256) + ":i8[1]"], ["inputs": String(repeating: "x", count: 5000)],
  ["inputs": "x:f32[1]", "outputs": "y:f16[1]"], ["inputs": "x:f32[1]", "outputs": "y:f32[1] z:f32[1]"],
  ["inputs": "x:f32[1]", "sleep_ms": "-1"], ["inputs": "x:f32[1]", "sleep_ms": "3600001"],
  ["inputs": "x:f32[1]", "sleep_ms": "1e3"], ["inputs": "x:f32[1]", "sleep_ms": "99999999999999999999"],
  ["inputs": "x:f32[1]", "fail": String(repeating: "é", count: 300)], ["inputs": "x:f32[1]", "typo": "1"],
  ["inputs": "x:f32[1]", String(repeating: "k", count: 9000): "1"],
].map { Malformed(pairs: $0) }
