import Glibc
import RunnerKit

/// One file, served through one of its signatures by as many compiled models as run at once.
final class LiteRTModel: Model {
  let metadata: [(key: String, value: String)]
  private let file: ModelFile
  private let signature: ModelSignature
  private let compiled: CompiledModels
  private let unwritten = Unwritten()

  var inputs: [TensorSpec] { signature.inputs.map(\.spec) }
  var outputs: [TensorSpec] { signature.outputs.map(\.spec) }

  /// - Parameter name: Of the signature; nil for the default.
  /// - Throws: What LiteRT says of the file; `.unsupported` for what can't be served.
  init(
    _ environment: Environment, path: String, signature name: String?, _ settings: CompileSettings, _ ticket: Ticket
  ) throws(RunnerError) {
    let file = try ModelFile(environment, path: path)
    let signature = try ModelSignature(file, wanted: name)
    self.file = file
    self.signature = signature
    metadata = readMetadata(file, signature)
    let limit = settings.state == "kept" ? 1 : CompileSettings.maxConcurrentRuns
    compiled = CompiledModels(limit: limit) { () throws(RunnerError) in
      try CompiledModel(file, signature, settings)
    }
    let keepsState = try checkState(settings)
    let first = try compiled.claim(ticket)
    if settings.trialSeconds > 0 { try Trial(signature, first).run(ticket, seconds: settings.trialSeconds) }
    // State begins with the first request, not with what the trial left.
    if keepsState { compiled.discard(first) } else { compiled.release(first) }
  }

  deinit {
    compiled.removeAll()
    signature.free()
  }

  /// Whether answers depend on earlier runs.
  ///
  /// - Throws: `.unsupported` for such a model unless it is wanted.
  private func checkState(_ settings: CompileSettings) throws(RunnerError) -> Bool {
    guard let name = try StatefulOperator.first(in: file) else { return false }
    guard settings.state == "kept" else {
      throw RunnerError(
        .unsupported,
        "the model keeps state between runs (operator \(name)), so answers would depend on who asked before; if that is "
          + "meant, set the option state to \"kept\"")
    }
    return true
  }

  func run(_ request: Request) throws(RunnerError) {
    let wanted = try check(request)
    guard wanted.count > 0 else { return }
    let model = try compiled.claim(request.ticket)
    defer { compiled.release(model) }
    try bindInputs(request, model)
    try bindOutputs(request, model)
    guard !request.ticket.isCancelled else { throw request.ticket.interruption }
    try model.run(request.ticket)
    try checkOutputs(model)
    for place in 0..<wanted.count { try emit(request, model, wanted[place]) }
  }

  /// Everything that needs no compiled model: LiteRT itself checks nothing.
  ///
  /// - Returns: The outputs that are wanted.
  private func check(_ request: Request) throws(RunnerError) -> ChosenOutputs {
    try request.forEachInput(of: signature.inputs) { (_, tensor, input) throws(RunnerError) in try tensor.check(input) }
    let wanted = try request.chosenOutputs(of: signature.outputs.count)
    for place in 0..<wanted.count where (0..<place).contains(where: { wanted[$0] == wanted[place] }) {
      throw RunnerError(.invalidArgument, "output \(wanted[place]) is wanted twice")
    }
    return wanted
  }

  private func bindInputs(_ request: Request, _ model: CompiledModel) throws(RunnerError) {
    try request.forEachInput(of: signature.inputs) { (index, tensor, input) throws(RunnerError) in
      if tensor.isDynamic { try model.setShape(tensor, input.shape) }
      try model.bindInput(index, UnsafeMutableRawBufferPointer(mutating: input.bytes))
    }
    try model.resolveOutputs()
  }

  /// Memory of the host for every output, also those nobody wants: LiteRT writes them all.
  private func bindOutputs(_ request: Request, _ model: CompiledModel) throws(RunnerError) {
    for (place, tensor) in signature.outputs.enumerated() {
      let buffer = try request.allocate(byteCount: try model.byteCount(tensor))
      unwritten.mark(buffer.bytes)
      try model.bindOutput(place, buffer.bytes)
      model.hostBuffers[place] = consume buffer
    }
  }

  /// - Throws: `.unsupported` for an answer that LiteRT left out.
  private func checkOutputs(_ model: CompiledModel) throws(RunnerError) {
    for (place, tensor) in signature.outputs.enumerated() where unwritten.isMarked(model.outputs[place]) {
      throw tensor.unwritten
    }
  }

  private func emit(_ request: Request, _ model: CompiledModel, _ place: Int) throws(RunnerError) {
    let tensor = signature.outputs[place]
    guard let buffer = model.hostBuffers[place].take() else { return }
    let byteCount = buffer.bytes.count
    var owned: HostBuffer? = consume buffer
    try model.withShape(tensor) { (shape) throws(RunnerError) in
      guard let buffer = owned.take() else { return }
      try request.emit(tensor.name, tensor.type, shape, buffer: buffer, byteCount: byteCount)
    }
  }
}

extension ModelTensor {
  /// LiteRT says that the run went well, but has written nothing to this output.
  var unwritten: RunnerError {
    RunnerError(
      .unsupported,
      "LiteRT leaves output \(String(cString: name)) unwritten: its shape depends on the data, which LiteRT 2.3 can't "
        + "do. Fix the shapes with `scripts/tflite-static MODEL.tflite FIXED.tflite`, or serve the file with OpenVINO")
  }
}
