import CLinux
import Glibc
import Inference
import Running
import StadionClient

/// A loaded model with the inputs that its runs take in turn, all in this process.
final class BareRun {
  private struct Tensor {
    let index: Int
    let shape: [Int64]
    let data: UnsafeMutableRawBufferPointer
  }

  private let model: LocalModel
  private let request = RunRequest()
  private var samples: [[Tensor]] = []

  init(_ model: LocalModel) { self.model = model }

  deinit {
    for tensor in samples.joined() { free(tensor.data.baseAddress) }
  }

  /// Keeps a sample's tensors where a runner may read them, and runs it once.
  ///
  /// - Returns: What that run took, in nanoseconds.
  func add(_ tensors: [DenseTensor]) throws(HostError) -> UInt64 {
    var sample: [Tensor] = []
    for (index, spec) in model.signature.inputs.enumerated() {
      guard let tensor = tensors.first(where: { $0.name == spec.name }), tensor.elementType == spec.elementType,
        tensor.shape.count <= RunRequest.maxRank
      else {
        throw HostError(
          .invalidRequest, "input \(spec.name) \(spec.elementType.protocolName) \(spec.shape) is missing or another")
      }
      try tensor.validate()
      let room = (tensor.bytes.count + 64) & ~63
      guard let memory = aligned_alloc(64, room) else { throw HostError(.overloaded, "no memory for \(spec.name)") }
      memory.initializeMemory(as: UInt8.self, from: tensor.bytes, count: tensor.bytes.count)
      let data = UnsafeMutableRawBufferPointer(start: memory, count: tensor.bytes.count)
      sample.append(Tensor(index: index, shape: tensor.shape, data: data))
    }
    samples.append(sample)
    let begin = linux_now_ns()
    try run(sample)
    return linux_now_ns() - begin
  }

  /// From the inputs as they lie to outputs that are given back: what a program that calls the runner itself pays.
  @inline(__always)
  private func run(_ sample: [Tensor]) throws(HostError) {
    request.begin(model.signature)
    request.ticket.renew(deadlineNs: 0)
    for tensor in sample {
      let room = request.shape(ofInput: tensor.index)
      for axis in tensor.shape.indices { room[axis] = tensor.shape[axis] }
      guard let data = tensor.data.baseAddress else { continue }
      request.setInput(tensor.index, rank: tensor.shape.count, data: data, byteCount: tensor.data.count)
    }
    defer { request.reset() }
    _ = try model.run(request)
  }

  /// One run after the other, as a closed loop of one connection is.
  ///
  /// - Parameters:
  ///   - range: Of the samples in use.
  ///   - first: Which of them comes first, counted round.
  func closed(_ range: Range<Int>, first: Int, settleNs: UInt64, durationNs: UInt64, atLeast: UInt64) -> Window {
    var closed = ClosedRun(settleNs: settleNs, durationNs: durationNs, atLeast: atLeast)
    var turn = range.lowerBound + first % range.count
    var now = linux_now_ns()
    while !closed.isOver(at: now), closed.window.errors < LoadGenerator.mostErrors {
      let begin = now
      do throws(HostError) {
        try run(samples[turn])
        now = linux_now_ns()
        closed.add(from: begin, to: now, isUnchanged: true)
      } catch {
        now = linux_now_ns()
        closed.window.errors += 1
        closed.window.problem = closed.window.problem ?? error.description
      }
      turn = turn + 1 == range.upperBound ? range.lowerBound : turn + 1
    }
    return closed.window
  }
}
