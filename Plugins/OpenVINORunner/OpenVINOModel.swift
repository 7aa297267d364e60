import COpenVINO
import Glibc
import RunnerKit
import Synchronization

/// One compiled model; each concurrent run has an infer request of its own.
final class OpenVINOModel: InterruptibleModel {
  let metadata: [(key: String, value: String)]
  private let inputTensors: [ModelTensor]
  private let outputTensors: [ModelTensor]
  private let engine: Engine
  private let compiled: Handle
  private let slots: RunSlots
  /// Where the dimensions of each input begin in `RunSlot.dimensions`.
  private let starts: [Int]
  private let dimensionCount: Int
  /// Nil for a model without open dimensions, and where the manifest wants no checks: `declared` holds then.
  private let plans: ShapePlans?
  private let declared: ShapePlan
  /// For each output the input that it is, under one name. The engine takes one for the other: what is bound to the
  /// output would be read as the input.
  private let passedOn: [Int?]
  /// Runs are computed on the caller's thread.
  private let runsOnCaller: Bool

  var inputs: [TensorSpec] { inputTensors.map(\.spec) }
  var outputs: [TensorSpec] { outputTensors.map(\.spec) }

  /// - Throws: What the engine says of the file; `.unsupported` for inputs and outputs that can't be served.
  init(
    _ engine: Engine, _ device: EngineDevice, path: String, _ settings: ModelSettings, cacheFolder: String?,
    _ ticket: Ticket
  ) throws(RunnerError) {
    let source = try ModelSource(engine, path: path)
    guard !ticket.isCancelled else { throw ticket.interruption }
    // Reading and compiling can't be stopped: a host that can't wait ends the process.
    let properties = settings.properties(for: device, coreCount: engine.coreCount)
    compiled = try source.compile(device, properties, cacheFolder: cacheFolder)
    self.engine = engine
    engine.modelCame()
    inputTensors = source.inputs
    outputTensors = source.outputs
    passedOn = source.outputs.map { output in source.inputs.firstIndex { strcmp($0.name, output.name) == 0 } }
    metadata = source.metadata
    slots = RunSlots(keepsSlots: !source.keepsState)
    runsOnCaller = settings.runsOnCaller(device, coreCount: engine.coreCount)
    var starts: [Int] = []
    var count = 0
    for input in inputTensors {
      starts.append(count)
      count += input.bounds?.count ?? 0
    }
    self.starts = starts
    dimensionCount = count
    declared = ShapePlan(dimensions: [], outputs: outputTensors.map(\.fixedShape))
    let isOpen = (inputTensors + outputTensors).contains { $0.fixedShape == nil }
    plans = (isOpen && settings.checksShapes ? source.takeModel() : nil).map { model in
      ShapePlans(
        engine, owning: model, ranks: source.inputs.map { $0.bounds?.count ?? 0 }, outputCount: source.outputs.count)
    }
    source.takeTensors()
    guard !ticket.isCancelled else { throw ticket.interruption }
  }

  deinit {
    slots.removeAll()
    engine.api.compiled_model_free(compiled)
    ModelTensor.free(inputTensors + outputTensors)
    engine.modelWent()
  }

  func interrupt(ticket id: UInt64) { slots.cancel(ticket: id) }

  func run(_ request: Request) throws(RunnerError) {
    let ticket = request.ticket
    let slot = try slots.claim(ticket: ticket.id) { () throws(RunnerError) in
      try RunSlot(
        engine.api, compiled: compiled, inputCount: inputTensors.count, outputCount: outputTensors.count,
        dimensionCount: dimensionCount)
    }
    defer { slots.release(slot) }
    try bindInputs(request, slot)
    let wanted = try request.chosenOutputs(of: outputTensors.count)
    guard wanted.count > 0 else { return }
    let plan = try plan(slot)
    for place in 0..<wanted.count { try bindOutput(request, slot, plan, wanted[place]) }
    // What the last run wanted and this one doesn't: its memory is no longer the request's.
    for index in outputTensors.indices where slot.bound[index] != nil && slot.buffers[index] == nil {
      slot.unbind(index)
    }
    // The host sets the flag before it interrupts, so either this sees it or the slot is already in the list.
    guard !ticket.isCancelled else { throw ticket.interruption }
    try compute(slot, ticket)
    for place in 0..<wanted.count { try emit(request, slot, plan, wanted[place]) }
    slot.isSound = true
  }

  private func bindInputs(_ request: Request, _ slot: RunSlot) throws(RunnerError) {
    try request.forEachInput(of: inputTensors) { (index, tensor, input) throws(RunnerError) in
      try tensor.check(input)
      var isBound = slot.inputPlaces[index] != nil && slot.inputPlaces[index] == input.bytes.baseAddress
      for (place, size) in input.shape.enumerated() {
        let known = starts[index] + place
        isBound = isBound && slot.dimensions[known] == size
        slot.dimensions[known] = size
      }
      guard !isBound else { return }
      slot.inputPlaces[index] = nil
      let value = try engine.tensor(tensor.nativeType, input.shape, input.bytes)
      defer { engine.api.tensor_free(value) }  // the request holds it, too
      try engine.api.check(engine.api.infer_request_set_input_tensor_by_index(slot.request, index, value))
      slot.inputPlaces[index] = input.bytes.baseAddress
    }
  }

  /// The shapes of the outputs of this run, as far as they are known.
  private func plan(_ slot: RunSlot) throws(RunnerError) -> ShapePlan {
    guard let plans else { return declared }
    let dimensions = UnsafeBufferPointer(slot.dimensions)
    if let last = slot.plan, last.fits(dimensions) { return last }
    let plan = try plans.plan(dimensions)
    slot.plan = plan
    return plan
  }

  /// Has the engine write an output of known shape into the host's memory.
  private func bindOutput(
    _ request: Request, _ slot: RunSlot, _ plan: ShapePlan, _ index: Int
  ) throws(RunnerError) {
    let tensor = outputTensors[index]
    guard passedOn[index] == nil, let shape = plan.outputs[index] else { return }
    try shape.withUnsafeBufferPointer { (shape) throws(RunnerError) in
      guard let byteCount = tensorByteCount(shape, elementByteCount: tensor.elementByteCount), byteCount > 0 else {
        return
      }
      let buffer = try request.allocate(byteCount: byteCount)
      let start = UnsafeRawPointer(buffer.bytes.baseAddress)
      guard start == nil || slot.outputPlaces[index] != start else {
        slot.buffers[index] = consume buffer
        return
      }
      slot.unbind(index)
      let value = try engine.tensor(tensor.nativeType, shape, UnsafeRawBufferPointer(buffer.bytes))
      slot.bound[index] = value
      slot.buffers[index] = consume buffer
      try engine.api.check(engine.api.infer_request_set_output_tensor_by_index(slot.request, index, value))
      slot.outputPlaces[index] = start
    }
  }

  private func compute(_ slot: RunSlot, _ ticket: Ticket) throws(RunnerError) {
    let api = engine.api
    var code: Int32
    if runsOnCaller {
      code = api.infer_request_infer(slot.request)
    } else {
      code = api.infer_request_start_async(slot.request)
      if code == OV_OK {
        // What came before the start was for nothing.
        if slots.wasCancelled(slot) { _ = api.infer_request_cancel(slot.request) }
        code = api.infer_request_wait(slot.request)
      }
    }
    guard code != OV_OK else { return }
    if Int(code) == OV_CANCELLED || slots.wasCancelled(slot) || ticket.isCancelled { throw ticket.interruption }
    throw api.error(code)
  }

  private func emit(_ request: Request, _ slot: RunSlot, _ plan: ShapePlan, _ index: Int) throws(RunnerError) {
    let tensor = outputTensors[index]
    if let place = passedOn[index], let input = request.input(named: tensor.name, hint: place) {
      return try request.emit(tensor.name, tensor.type, input.shape, data: input.bytes)
    }
    guard let shape = plan.outputs[index], let value = slot.bound[index], let buffer = slot.buffers[index].take() else {
      return try engine.emitCopy(tensor, slot.own[index], request)
    }
    var count = 0
    try engine.api.check(engine.api.tensor_get_size(value, &count))
    var owned: HostBuffer? = consume buffer
    try shape.withUnsafeBufferPointer { (shape) throws(RunnerError) in
      guard tensorByteCount(shape, elementByteCount: 1) == count, let buffer = owned.take() else {
        throw RunnerError(
          .internal, "output \(String(cString: tensor.name)) came out with \(count) elements, not as \(Array(shape))",
          source: "openvino")
      }
      let byteCount = buffer.bytes.count
      try request.emit(tensor.name, tensor.type, shape, buffer: buffer, byteCount: byteCount)
    }
  }
}
