import Glibc
import RunnerKit
import Synchronization

/// One session, shared by all concurrent runs of a model.
final class OnnxModel: InterruptibleModel {
  let inputTensors: [ModelTensor]
  let outputTensors: [ModelTensor]
  let metadata: [(key: String, value: String)]
  private let engine: Engine
  private let session: OrtObject
  private let dimensions: NamedDimensions
  private let slots = RunSlots()
  /// False once an output came out in another shape than the model declares: from then on the engine allocates.
  private let trustsShapes = Atomic(true)
  /// False once an output came out in another shape than for equal inputs before.
  private let remembersShapes = Atomic(true)
  /// Names of the inputs in order, as `run` of the engine wants them.
  private let inputNames: UnsafeMutablePointer<Text?>

  var inputs: [TensorSpec] { inputTensors.map(\.spec) }
  var outputs: [TensorSpec] { outputTensors.map(\.spec) }

  /// - Throws: What the engine says of the file; `.unsupported` for inputs and outputs that can't be served.
  init(_ engine: Engine, path: String, _ settings: SessionSettings) throws(RunnerError) {
    let api = engine.api
    let options = try settings.makeSessionOptions(api)
    defer { api.releaseSessionOptions(options) }
    let session = try api.make { api.createSession(engine.env, path, options, $0) }
    var inputs: [ModelTensor] = []
    var outputs: [ModelTensor] = []
    do throws(RunnerError) {
      inputs = try ModelTensor.list(engine, session, outputs: false)
      outputs = try ModelTensor.list(engine, session, outputs: true)
      metadata = try readMetadata(engine, session, inputs + outputs)
    } catch {
      ModelTensor.free(inputs + outputs)
      api.releaseSession(session)
      throw error
    }
    self.engine = engine
    self.session = session
    inputTensors = inputs
    outputTensors = outputs
    dimensions = NamedDimensions(inputs: inputs, outputs: outputs)
    inputNames = .allocate(capacity: inputs.count)
    for (index, input) in inputs.enumerated() { (inputNames + index).initialize(to: input.name) }
  }

  deinit {
    slots.removeAll()
    engine.api.releaseSession(session)
    ModelTensor.free(inputTensors + outputTensors)
    inputNames.deallocate()
  }

  func interrupt(ticket id: UInt64) { slots.terminate(ticket: id) }

  func run(_ request: Request) throws(RunnerError) {
    let ticket = request.ticket
    let slot = try slots.claim(ticket: ticket.id) { () throws(RunnerError) in
      try RunSlot(
        engine.api, inputCount: inputTensors.count, outputCount: outputTensors.count,
        dimensionNameCount: dimensions.count)
    }
    defer { slots.release(slot) }
    try bindInputs(request, slot)
    try chooseOutputs(request, slot)
    guard slot.wantedCount > 0 else { return }
    // The host sets the flag before it interrupts, so either this sees it or the slot is already in the list.
    guard !ticket.isCancelled else { throw ticket.interruption }
    try compute(request, slot)
    for place in 0..<slot.wantedCount { try emit(request, slot, place) }
  }

  /// Runs the session, into the host's memory where the shape of an output is known beforehand.
  private func compute(_ request: Request, _ slot: RunSlot) throws(RunnerError) {
    let api = engine.api
    let usesBuffers = trustsShapes.load(ordering: .relaxed) ? try bindOutputs(request, slot) : false
    guard var status = start(slot) else { return }
    guard !(slots.wasTerminated(slot) || request.ticket.isCancelled) else {
      api.releaseStatus(status)
      throw request.ticket.interruption
    }
    if usesBuffers, isAboutShapes(status) {
      slot.clearOutputs()
      guard let second = start(slot) else {
        api.releaseStatus(status)
        if slot.hasGuessed {
          remembersShapes.store(false, ordering: .relaxed)
        } else {
          trustsShapes.store(false, ordering: .relaxed)
        }
        return
      }
      api.releaseStatus(status)
      status = second
      if slots.wasTerminated(slot) || request.ticket.isCancelled {
        api.releaseStatus(status)
        throw request.ticket.interruption
      }
    }
    var error = api.error(status)
    // The engine has one code for all that a kernel complains of; here the inputs are the likely reason.
    if dimensions.areDisputed(slot) { error.code = .invalidArgument }
    throw error
  }

  private func start(_ slot: RunSlot) -> OrtStatus? {
    engine.api.run(
      session, slot.runOptions, inputNames, slot.inputs, inputTensors.count, slot.wantedNames, slot.wantedCount,
      slot.outputs)
  }

  /// The engine has no code for this: a kernel wanted another shape than the value it was given.
  private func isAboutShapes(_ status: OrtStatus) -> Bool {
    strstr(engine.api.errorMessage(status), "shape") != nil
  }

  private func bindInputs(_ request: Request, _ slot: RunSlot) throws(RunnerError) {
    dimensions.forget(slot)
    slot.mayGuess = trustsShapes.load(ordering: .relaxed) && remembersShapes.load(ordering: .relaxed)
    slot.hasGuessed = false
    slot.shapes.begin()
    try request.forEachInput(of: inputTensors) { (index, tensor, input) throws(RunnerError) in
      try tensor.check(input)
      dimensions.learn(slot, input: index, shape: input.shape)
      if slot.mayGuess { slot.shapes.see(input.shape) }
      try engine.makeValue(tensor, input, &slot.inputs[index])
    }
    if slot.mayGuess { slot.shapes.end() }
  }

  private func chooseOutputs(_ request: Request, _ slot: RunSlot) throws(RunnerError) {
    let wanted = try request.chosenOutputs(of: outputTensors.count)
    slot.wantedCount = wanted.count
    for place in 0..<wanted.count {
      let index = wanted[place]
      slot.wanted[place] = index
      slot.wantedNames[place] = outputTensors[index].name
    }
  }

  /// Puts a value over host memory at each place whose shape is known; the engine fills the others itself.
  private func bindOutputs(_ request: Request, _ slot: RunSlot) throws(RunnerError) -> Bool {
    var bound = false
    for place in 0..<slot.wantedCount {
      let tensor = outputTensors[slot.wanted[place]]
      guard let size = tensor.type.byteCount else { continue }
      bound =
        try withShape(slot, place) { (shape) throws(RunnerError) -> Bool in
          guard let shape, let byteCount = tensorByteCount(shape, elementByteCount: size), byteCount > 0 else {
            return false
          }
          let buffer = try request.allocate(byteCount: byteCount)
          try engine.api.check(
            engine.api.tensorOverData(
              engine.memory, buffer.bytes.baseAddress, byteCount, shape.baseAddress!, shape.count, tensor.nativeType,
              &slot.outputs[place]))
          slot.buffers[place] = consume buffer
          return true
        } || bound
    }
    return bound
  }

  /// Lends the shape that the output at `place` will have; nil where only the run can tell.
  private func withShape<Result>(
    _ slot: RunSlot, _ place: Int, _ body: (UnsafeBufferPointer<Int64>?) throws(RunnerError) -> Result
  ) throws(RunnerError) -> Result {
    var sizes: InlineArray<8, Int64> = .init(repeating: 0)
    let output = slot.wanted[place]
    var rank = dimensions.resolve(slot, output: output, into: &sizes)
    if rank == nil && slot.mayGuess {
      rank = slot.shapes.recall(output: output, into: &sizes)
      if rank != nil { slot.hasGuessed = true }
    }
    return try withUnsafeBytes(of: &sizes) { (bytes) throws(RunnerError) -> Result in
      let all = bytes.assumingMemoryBound(to: Int64.self)
      return try body(rank.map { UnsafeBufferPointer(start: all.baseAddress, count: $0) })
    }
  }

  private func emit(_ request: Request, _ slot: RunSlot, _ place: Int) throws(RunnerError) {
    let tensor = outputTensors[slot.wanted[place]]
    if slot.buffers[place] != nil, let buffer = slot.buffers[place].take() {
      let byteCount = buffer.bytes.count
      var owned: HostBuffer? = consume buffer
      try withShape(slot, place) { (shape) throws(RunnerError) in
        guard let shape, let buffer = owned.take() else { return }
        try request.emit(tensor.name, tensor.type, shape, buffer: buffer, byteCount: byteCount)
      }
    } else if let value = slot.outputs[place] {
      try engine.emitCopy(tensor, value, request) {
        if slot.mayGuess { slot.shapes.learn(output: slot.wanted[place], $0) }
      }
    }
  }
}
