import CStadionRunner
import Foundation
import Testing

@Suite(.enabled(if: LiteRTSetup.isReady, Comment(rawValue: LiteRTSetup.requirement)))
struct `Runs of a LiteRT model` {
  let runner: OpaquePointer

  init() throws { runner = try Plugin.litert.create(["library": LiteRTSetup.library]) }

  private func load(_ name: String, _ options: [String: String] = [:]) throws -> LoadedModel {
    try Plugin.litert.load(runner, LiteRTSetup.model(name), options)
  }

  /// Hours of work unless it is ended.
  private static let longRun = [
    Tensor("n", STADION_I32, [], of: [Int32.max]),
    Tensor("x", STADION_F32, [64, 64], of: [Float](repeating: 0.01, count: 4096)),
  ]

  @Test(.timeLimit(.minutes(1))) func `end when they are cancelled, and the next one runs`() throws {
    let model = try load("loop")
    var short = Self.longRun
    short[0] = Tensor("n", STADION_I32, [], of: [Int32(2)])
    let right = try model.run(short)
    for _ in 0..<5 {
      let ticket = TestTicket()
      let run = Background { try model.run(Self.longRun, ticket: ticket) }
      for _ in 0..<3 { ticket.asked.wait() }
      ticket.cancel()
      #expect(run.wait()?.code == STADION_CANCELLED)
      #expect(ticket.keptCount == 0)
      #expect(try model.run(short) == right)
    }
  }

  @Test(.timeLimit(.minutes(1))) func `tell a passed deadline from a cancel`() throws {
    let model = try load("loop")
    let ticket = TestTicket(deadlineNanoseconds: 1)
    let run = Background { try model.run(Self.longRun, ticket: ticket) }
    for _ in 0..<3 { ticket.asked.wait() }
    ticket.cancel()
    #expect(run.wait()?.code == STADION_DEADLINE_EXCEEDED)
  }

  /// One compiled model in two threads answers wrongly, and says that all went well.
  @Test(.timeLimit(.minutes(2)), arguments: ["refused", "kept"])
  func `give 4 callers at once their own answers, 1000 times`(state: String) throws {
    let model = try Plugin.litert.load(runner, LiteRTSetup.faces, ["state": state])
    let images = (0..<4).map { caller in
      Tensor.floats("input", [1, 128, 128, 3], (0..<49152).map { Float(($0 + caller * 7919) % 255) / 127.5 - 1 })
    }
    let right = try images.map { try model.run([$0]) }
    #expect(Set(right.map { $0[0].bytes }).count == 4)
    let runs = images.indices.map { caller in
      Background {
        for round in 0..<250 {
          let wrong = Failure(wrong: "caller \(caller), round \(round)")
          guard try model.run([images[caller]]) == right[caller] else { throw wrong }
        }
        return []
      }
    }
    for run in runs { #expect(run.wait() == nil) }
  }

  @Test(.timeLimit(.minutes(1))) func `of other batches at once don't mix`() throws {
    let model = try load("add")
    let runs = (0..<8).map { worker in
      Background {
        for round in 0..<200 {
          let rows = Int64(round % 5 + 1)
          let numbers = [Float](repeating: Float(worker * 1000 + round), count: Int(rows) * 4)
          let wrong = Failure(wrong: "worker \(worker), round \(round)")
          guard
            try model.run([.floats("x", [rows, 4], numbers), .floats("y", [rows, 4], numbers)])
              == [.floats("z", [rows, 4], numbers.map { $0 * 2 })]
          else { throw wrong }
        }
        return []
      }
    }
    for run in runs { #expect(run.wait() == nil) }
  }

  @Test(.timeLimit(.minutes(1))) func `that wait for another one end when they are cancelled`() throws {
    let model = try load("loop", ["state": "kept"])
    let first = TestTicket()
    let run = Background { try model.run(Self.longRun, ticket: first) }
    for _ in 0..<3 { first.asked.wait() }
    let second = TestTicket()
    let waiting = Background { try model.run(Self.longRun, ticket: second) }
    second.asked.wait()
    second.cancel()
    #expect(waiting.wait()?.code == STADION_CANCELLED)
    first.cancel()
    #expect(run.wait()?.code == STADION_CANCELLED)
  }

  @Test func `are the same with each kind of kernels and threads`() throws {
    let image = Tensor.floats("image", [1, 28, 28, 1], (0..<784).map { Float($0 % 28) / 28 })
    let right = try load("cnn").run([image])[0].numbers(Float.self)
    for options in [["kernels": "builtin"], ["kernels": "reference"], ["threads": "1", "kernels": "xnnpack"]] {
      let found = try load("cnn", options).run([image])[0].numbers(Float.self)
      #expect(zip(right, found).allSatisfy { abs($0 - $1) < 1e-4 }, "\(options)")
    }
  }
}
