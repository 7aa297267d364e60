import Glibc
import RunnerKit
import Synchronization

/// A model that LiteRT has compiled, and what one run of it needs: kept for the next run, so that a run allocates nothing
/// of ours. Only touched by the run that claimed it.
final class CompiledModel: @unchecked Sendable {  // see above
  private let environment: Environment
  private let handle: LiteRTObject
  private let signature: ModelSignature
  /// Below, everything is in LiteRT's order: at `ModelTensor.index`.
  private let inputTypes: UnsafeMutablePointer<NativeType>
  private let outputTypes: UnsafeMutablePointer<NativeType>
  private let inputBuffers: UnsafeMutablePointer<LiteRTObject?>
  private let outputBuffers: UnsafeMutablePointer<LiteRTObject?>
  /// Room for what LiteRT writes about all outputs at once.
  private let layouts: UnsafeMutableRawPointer
  /// Memory of the host for each output, in the order of the signature.
  let hostBuffers: UnsafeMutablePointer<HostBuffer?>
  /// Whether an input has another shape than the outputs were last asked for.
  private var isResized = true
  /// Of the run that is going on; LiteRT asks for it between operators.
  private var ticket: Ticket?

  private var api: LiteRTAPI { environment.api }

  init(
    _ environment: Environment, model: LiteRTObject, _ signature: ModelSignature, _ settings: CompileSettings
  ) throws(RunnerError) {
    let api = environment.api
    let options = try settings.makeOptions(environment)
    defer { api.destroyOptions(options) }
    handle = try api.make("the model") { out in
      environment.making.withLock { _ in api.createCompiledModel(environment.handle, model, options, out) }
    }
    self.environment = environment
    self.signature = signature
    inputTypes = .allocate(capacity: signature.inputs.count)
    outputTypes = .allocate(capacity: signature.outputs.count)
    inputBuffers = .allocate(capacity: signature.inputs.count)
    inputBuffers.initialize(repeating: nil, count: signature.inputs.count)
    outputBuffers = .allocate(capacity: signature.outputs.count)
    outputBuffers.initialize(repeating: nil, count: signature.outputs.count)
    layouts = .allocate(byteCount: signature.outputs.count * NativeType.layoutByteCount, alignment: 4)
    hostBuffers = .allocate(capacity: signature.outputs.count)
    for place in 0..<signature.outputs.count { (hostBuffers + place).initialize(to: nil) }
    for tensor in signature.inputs { inputTypes[tensor.index] = tensor.nativeType }
    for tensor in signature.outputs { outputTypes[tensor.index] = tensor.nativeType }
    try api.check(
      api.setCancellation(handle, Unmanaged.passUnretained(self).toOpaque()) { context in
        guard let context else { return false }
        return Unmanaged<CompiledModel>.fromOpaque(context).takeUnretainedValue().ticket?.isCancelled ?? false
      }, "LiteRtSetCompiledModelCancellationFunction")
  }

  deinit {
    clear()
    environment.making.withLock { _ in api.destroyCompiledModel(handle) }
    inputTypes.deallocate()
    outputTypes.deallocate()
    inputBuffers.deallocate()
    outputBuffers.deallocate()
    layouts.deallocate()
    hostBuffers.deinitialize(count: signature.outputs.count)
    hostBuffers.deallocate()
  }

  // -- Before a run

  /// - Parameter shape: As the model declares it, with a size for each open dimension.
  func setShape(_ tensor: ModelTensor, _ shape: UnsafeBufferPointer<Int64>) throws(RunnerError) {
    guard !inputTypes[tensor.index].hasShape(shape) else { return }
    isResized = true
    inputTypes[tensor.index].setRank(shape.count)
    var sizes: InlineArray<8, Int32> = .init(repeating: 0)
    for place in 0..<shape.count {
      sizes[place] = Int32(shape[place])
      inputTypes[tensor.index].setDimension(place, sizes[place])
    }
    let status = withUnsafeBytes(of: &sizes) {
      api.resizeInput(
        handle, signature.index, tensor.index, $0.assumingMemoryBound(to: Int32.self).baseAddress!, shape.count)
    }
    guard status == 0 else {
      forgetShapes()
      throw failure(status, "input \(String(cString: tensor.name)) with shape \(Array(shape))", .invalidArgument)
    }
  }

  /// Lets LiteRT find the shapes of the outputs, once all inputs have theirs.
  func resolveOutputs() throws(RunnerError) {
    guard isResized else { return }
    let status = api.outputLayouts(handle, signature.index, signature.outputs.count, layouts, true)
    guard status == 0 else {
      forgetShapes()
      throw failure(status, "the inputs' shapes", .invalidArgument)
    }
    isResized = false
    for tensor in signature.outputs {
      outputTypes[tensor.index].setLayout(layouts + tensor.index * NativeType.layoutByteCount)
    }
  }

  /// The shape of an output after `resolveOutputs`.
  func withShape<Result>(
    _ tensor: ModelTensor, _ body: (UnsafeBufferPointer<Int64>) throws(RunnerError) -> Result
  ) throws(RunnerError) -> Result {
    let type = outputTypes[tensor.index]
    var sizes: InlineArray<8, Int64> = .init(repeating: 0)
    for place in 0..<type.rank { sizes[place] = type.dimension(place) }
    return try withUnsafeBytes(of: &sizes) { (bytes) throws(RunnerError) -> Result in
      try body(UnsafeBufferPointer(start: bytes.assumingMemoryBound(to: Int64.self).baseAddress, count: type.rank))
    }
  }

  func byteCount(_ tensor: ModelTensor) throws(RunnerError) -> Int {
    try withShape(tensor) { (shape) throws(RunnerError) in try tensor.byteCount(shape) }
  }

  /// After a failure nobody knows what LiteRT took over: the next run tells it all shapes again.
  private func forgetShapes() {
    isResized = true
    for tensor in signature.inputs where tensor.isDynamic { inputTypes[tensor.index] = tensor.nativeType }
  }

  /// - Parameter memory: Aligned to 64 bytes, as long as the shape says; stays until `clear`.
  func bind(input tensor: ModelTensor, _ memory: UnsafeMutableRawBufferPointer) throws(RunnerError) {
    inputBuffers[tensor.index] = try makeBuffer(tensor, inputTypes + tensor.index, memory)
  }

  func bind(output tensor: ModelTensor, _ memory: UnsafeMutableRawBufferPointer) throws(RunnerError) {
    outputBuffers[tensor.index] = try makeBuffer(tensor, outputTypes + tensor.index, memory)
  }

  private func makeBuffer(
    _ tensor: ModelTensor, _ type: UnsafePointer<NativeType>, _ memory: UnsafeMutableRawBufferPointer
  ) throws(RunnerError) -> LiteRTObject {
    try api.make("memory of \(String(cString: tensor.name))") {
      api.createBuffer(type, memory.baseAddress!, memory.count, nil, $0)
    }
  }

  // -- A run

  /// - Throws: `.cancelled` or `.deadlineExceeded` as the ticket says; else what LiteRT says.
  func run(_ ticket: Ticket) throws(RunnerError) {
    self.ticket = ticket
    defer { self.ticket = nil }
    let status = api.run(
      handle, signature.index, signature.inputs.count, inputBuffers, signature.outputs.count, outputBuffers)
    guard status != 0 else { return }
    let failure = failure(status, "the run")
    // LiteRT says only that it failed.
    throw ticket.isCancelled ? interrupted(ticket) : failure
  }

  /// Gives back the memory of the last run.
  func clear() {
    for index in 0..<signature.inputs.count {
      if let buffer = inputBuffers[index].take() { api.destroyBuffer(buffer) }
    }
    for place in 0..<signature.outputs.count {
      if let buffer = outputBuffers[place].take() { api.destroyBuffer(buffer) }
      hostBuffers[place] = nil
    }
  }

  /// What LiteRT says of a failure, beside its status.
  private func failure(_ status: LiteRTStatus, _ what: String, _ code: RunnerError.Code? = nil) -> RunnerError {
    var error = api.error(status, what)
    if let code { error.code = code }
    var text: UnsafeMutablePointer<CChar>?
    if api.errorMessages(handle, &text) == 0, let text {
      let words = String(cString: text).split(separator: "\n").joined(separator: "; ")
      if !words.isEmpty { error.message = "\(what): \(words)" }
      free(text)
    }
    _ = api.clearErrors(handle)
    return error
  }
}

/// Why a run ended early: its deadline, or else somebody's wish.
func interrupted(_ ticket: Ticket) -> RunnerError {
  var now = timespec()
  clock_gettime(CLOCK_MONOTONIC, &now)
  let nanoseconds = UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
  if let deadline = ticket.deadline, nanoseconds >= deadline {
    return RunnerError(.deadlineExceeded, "the deadline passed")
  }
  return RunnerError(.cancelled, "cancelled")
}
