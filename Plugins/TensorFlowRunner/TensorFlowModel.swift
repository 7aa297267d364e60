import CTensorFlow
import Glibc
import RunnerKit
import Synchronization

/// One session, shared by all concurrent runs of a model.
final class TensorFlowModel: Model {
  let inputTensors: [ModelTensor]
  let outputTensors: [ModelTensor]
  let metadata: [(key: String, value: String)]
  private let engine: Engine
  private let saved: SavedModel
  private let slots: RunSlots
  private let inputPlaces: UnsafeMutablePointer<tf_output>
  /// The graph may hold on to inputs after their run: then it gets copies.
  private let copiesInputs: Bool
  /// A run was over and memory of its caller still in use.
  private let isTainted = Atomic(false)

  var inputs: [TensorSpec] { inputTensors.map(\.spec) }
  var outputs: [TensorSpec] { outputTensors.map(\.spec) }

  /// - Throws: What the engine says of the files; `.unsupported` for inputs and outputs that can't be served.
  init(_ engine: Engine, path: String, _ settings: ModelSettings) throws(RunnerError) {
    let saved = try SavedModel(engine, path: path, settings)
    let inputs = try ModelTensor.list(engine.api, saved.graph, saved.signature.inputs, outputs: false)
    do throws(RunnerError) {
      outputTensors = try ModelTensor.list(engine.api, saved.graph, saved.signature.outputs, outputs: true)
    } catch {
      ModelTensor.free(inputs)
      throw error
    }
    self.engine = engine
    self.saved = saved
    inputTensors = inputs
    metadata = describe(saved)
    copiesInputs = settings.copiesInputs ?? (saved.keepingOperation != nil)
    slots = RunSlots(engine.api, inputCount: inputs.count, outputCount: outputTensors.count)
    inputPlaces = .allocate(capacity: inputs.count)
    for (index, input) in inputs.enumerated() { (inputPlaces + index).initialize(to: input.place) }
  }

  deinit {
    ModelTensor.free(inputTensors + outputTensors)
    inputPlaces.deallocate()
  }

  func run(_ request: Request) throws(RunnerError) {
    guard !isTainted.load(ordering: .relaxed) else { throw tainted }
    let slot = try slots.claim()
    var failure: RunnerError?
    do throws(RunnerError) { try run(request, in: slot) } catch { failure = error }
    slot.clear()
    // An output may be an input, so only now the engine has no right to the caller's memory any more.
    guard slot.hasBackWhatWasLent() else {
      isTainted.store(true, ordering: .relaxed)
      throw tainted
    }
    slots.release(slot)
    if let failure { throw failure }
  }

  private func run(_ request: Request, in slot: RunSlot) throws(RunnerError) {
    try bindInputs(request, slot)
    try chooseOutputs(request, slot)
    guard slot.wantedCount > 0 else { return }
    try compute(request, slot)
    for place in 0..<slot.wantedCount {
      guard let value = slot.outputs[place] else { continue }
      try engine.emit(outputTensors[slot.wanted[place]], value, request)
    }
  }

  private func compute(_ request: Request, _ slot: RunSlot) throws(RunnerError) {
    let api = engine.api
    guard !request.ticket.isCancelled else { throw request.ticket.interruption }
    try slot.setTimeout(deadline: request.ticket.deadline)
    api.run(
      saved.session, slot.runOptions, inputPlaces, slot.inputs, Int32(inputTensors.count), slot.wantedPlaces,
      slot.outputs, Int32(slot.wantedCount), nil, 0, nil, slot.status)
    let code = api.code(slot.status)
    guard code != 0 else { return }
    if request.ticket.isCancelled || code == 4 { throw request.ticket.interruption }
    var error = api.error(slot.status)
    // Not found is a file or a resource of the model's, not what the caller asked for.
    if error.code == .notFound || error.code == .cancelled || error.code == .unavailable { error.code = .internal }
    throw error
  }

  /// The memory will hold other requests' tensors, which the model would read.
  private var tainted: RunnerError {
    RunnerError(
      .internal,
      "the model holds on to an input of a run that is over; set option copy_inputs to 1 in model.json")
  }

  private func bindInputs(_ request: Request, _ slot: RunSlot) throws(RunnerError) {
    try request.forEachInput(of: inputTensors) { (index, tensor, input) throws(RunnerError) in
      try tensor.check(input)
      slot.inputs[index] = try engine.makeTensor(tensor, input, lentBy: copiesInputs ? nil : slot)
    }
  }

  private func chooseOutputs(_ request: Request, _ slot: RunSlot) throws(RunnerError) {
    let wanted = try request.chosenOutputs(of: outputTensors.count)
    slot.wantedCount = wanted.count
    for place in 0..<wanted.count {
      let index = wanted[place]
      slot.wanted[place] = index
      slot.wantedPlaces[place] = outputTensors[index].place
    }
  }
}

/// What the model says of itself, and which part of it is served.
private func describe(_ saved: SavedModel) -> [(key: String, value: String)] {
  let meta = saved.meta
  let all: [(key: String, value: String)] = [
    ("producer", meta.tensorFlowVersion.isEmpty ? "" : "tensorflow \(meta.tensorFlowVersion)"),
    ("signature", saved.signatureName),
    ("signatures", meta.signatures.keys.sorted().joined(separator: ",")),
    ("method", saved.signature.method),
    ("tags", meta.tags.sorted().joined(separator: ",")),
    // Why inputs are copied.
    ("keeps", saved.keepingOperation ?? ""),
  ]
  return all.filter { !$0.value.isEmpty }
}
