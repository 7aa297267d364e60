import Glibc
import RunnerKit

/// The runs that a model must stand before it is served. They find what LiteRT tells only then: operators it doesn't
/// have, and outputs it never writes.
final class Trial {
  private let signature: ModelSignature
  private let model: CompiledModel
  private var inputs: [Memory] = []
  private var outputs: [Memory] = []

  /// Aligned as the host's.
  private typealias Memory = UnsafeMutableRawBufferPointer

  /// Binds inputs with one element in each open dimension.
  init(_ signature: ModelSignature, _ model: CompiledModel) throws(RunnerError) {
    self.signature = signature
    self.model = model
    for (place, tensor) in signature.inputs.enumerated() {
      let shape = tensor.shape.map { $0 < 0 ? 1 : $0 }
      let byteCount = try shape.withUnsafeBufferPointer { (shape) throws(RunnerError) in
        if tensor.isDynamic { try model.setShape(tensor, shape) }
        return try tensor.byteCount(shape)
      }
      inputs.append(.allocate(byteCount: byteCount, alignment: 64))
      try model.bindInput(place, inputs[place])
    }
    do { try model.resolveOutputs() } catch { throw Self.cannotRun(error) }
    for (place, tensor) in signature.outputs.enumerated() {
      outputs.append(.allocate(byteCount: try model.byteCount(tensor), alignment: 64))
      try model.bindOutput(place, outputs[place])
    }
  }

  deinit {
    model.clear()
    for memory in inputs + outputs { memory.deallocate() }
  }

  /// - Throws: Why the model can't be served; `.cancelled` or `.deadlineExceeded` as the ticket says.
  func run(_ ticket: Ticket, seconds: Int) throws(RunnerError) {
    let limit = monotonicNanoseconds() + UInt64(seconds) * 1_000_000_000
    for memory in inputs { memory.initializeMemory(as: UInt8.self, repeating: 0) }
    do {
      try runTwice(ticket, limit)
    } catch {
      guard error.code == .internal, !inputs.isEmpty else { throw explained(error, ticket, seconds) }
      // A model may divide by its inputs; ones are as harmless as zeros.
      for (tensor, memory) in zip(signature.inputs, inputs) { tensor.fillWithOnes(memory) }
      do {
        try runTwice(ticket, limit)
      } catch let second {
        throw explained(second.code == .internal ? error : second, ticket, seconds)
      }
    }
  }

  /// An output that keeps one mark in the first run and another in the second isn't written.
  private func runTwice(_ ticket: Ticket, _ limit: UInt64) throws(RunnerError) {
    var kept = Array(outputs.indices)
    for mark: UInt8 in [0xA5, 0x5A] {
      for memory in outputs { memory.initializeMemory(as: UInt8.self, repeating: mark) }
      do {
        try model.run(ticket, limit: limit)
      } catch {
        // Such a model's first run goes well, the second doesn't.
        guard mark == 0x5A, error.code == .internal, let place = kept.first else { throw error }
        throw signature.outputs[place].unwritten
      }
      kept.removeAll { place in outputs[place].contains { $0 != mark } }
    }
    if let place = kept.first { throw signature.outputs[place].unwritten }
  }

  private func explained(_ error: RunnerError, _ ticket: Ticket, _ seconds: Int) -> RunnerError {
    var error = error
    if error.code == .deadlineExceeded, !ticket.isCancelled {
      error.message =
        "a run with zeros didn't end within \(seconds) s; if real inputs are needed for that, set the option "
        + "trial_seconds to 0"
    } else if error.code == .internal {
      error = Self.cannotRun(error)
    }
    return error
  }

  private static func cannotRun(_ error: RunnerError) -> RunnerError {
    RunnerError(
      .unsupported, "LiteRT can't run the model: \(error.message)", nativeCode: error.nativeCode, source: error.source)
  }
}

extension ModelTensor {
  fileprivate func fillWithOnes(_ memory: UnsafeMutableRawBufferPointer) {
    func fill<Number: BitwiseCopyable>(_ one: Number) { memory.initializeMemory(as: Number.self, repeating: one) }
    switch type {
    case .f32: fill(Float(1))
    case .f64: fill(1.0)
    case .f16: fill(0x3C00 as UInt16)
    case .bf16: fill(0x3F80 as UInt16)
    case .i8, .u8, .bool: fill(1 as UInt8)
    case .i16, .u16: fill(1 as UInt16)
    case .i32, .u32: fill(1 as UInt32)
    case .i64, .u64: fill(1 as UInt64)
    case .utf8: break  // refused before
    }
  }
}
