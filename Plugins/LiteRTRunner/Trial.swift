import Glibc
import RunnerKit

/// The runs that a model must stand before it is served. They find what LiteRT tells only then: operators it doesn't
/// have, and outputs it never writes.
struct Trial: ~Copyable {
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
    for tensor in signature.inputs {
      let shape = tensor.shape.map { $0 < 0 ? 1 : $0 }
      let byteCount = try shape.withUnsafeBufferPointer { (shape) throws(RunnerError) in
        if tensor.isDynamic { try model.setShape(tensor, shape) }
        return try tensor.byteCount(shape)
      }
      inputs.append(.allocate(byteCount: byteCount, alignment: 64))
      try model.bind(input: tensor, inputs[inputs.count - 1])
    }
    try model.resolveOutputs()
    for tensor in signature.outputs {
      outputs.append(.allocate(byteCount: try model.byteCount(tensor), alignment: 64))
      try model.bind(output: tensor, outputs[outputs.count - 1])
    }
  }

  deinit {
    model.clear()
    for memory in inputs + outputs { memory.deallocate() }
  }

  /// - Throws: Why the model can't be served; `.cancelled` or `.deadlineExceeded` as the ticket says.
  func run(_ ticket: Ticket) throws(RunnerError) {
    for memory in inputs { memory.initializeMemory(as: UInt8.self, repeating: 0) }
    do {
      try runTwice(ticket)
    } catch {
      guard error.code == .internal, !inputs.isEmpty else { throw error }
      // A model may divide by its inputs; ones are as harmless as zeros.
      for (tensor, memory) in zip(signature.inputs, inputs) { tensor.fillWithOnes(memory) }
      do { try runTwice(ticket) } catch let second { throw second.code == .internal ? error : second }
    }
  }

  /// An output that keeps one mark in the first run and another in the second isn't written.
  private func runTwice(_ ticket: Ticket) throws(RunnerError) {
    var kept = Array(outputs.indices)
    for mark: UInt8 in [0xA5, 0x5A] {
      for memory in outputs { memory.initializeMemory(as: UInt8.self, repeating: mark) }
      do {
        try model.run(ticket)
      } catch {
        // Such a model's first run goes well, the second doesn't.
        guard mark == 0x5A, error.code == .internal, let place = kept.first else { throw error }
        throw signature.outputs[place].unwritten
      }
      kept.removeAll { place in outputs[place].contains { $0 != mark } }
    }
    if let place = kept.first { throw signature.outputs[place].unwritten }
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
