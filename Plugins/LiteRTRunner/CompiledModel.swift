import Glibc
import RunnerKit
import Synchronization

/// A model that LiteRT has compiled, and what one run of it needs: kept for the next run, so that a run allocates nothing
/// of ours. Only touched by the run that claimed it.
final class CompiledModel: @unchecked Sendable {  // see above
  private let file: ModelFile
  private let handle: LiteRTObject
  private let signature: ModelSignature
  // In LiteRT's order: at `ModelTensor.index`.
  private let inputTypes: UnsafeMutablePointer<NativeType>
  private let outputTypes: UnsafeMutablePointer<NativeType>
  private let inputBuffers: UnsafeMutablePointer<LiteRTObject?>
  private let outputBuffers: UnsafeMutablePointer<LiteRTObject?>
  /// Room for what LiteRT writes about all outputs at once.
  private let layouts: UnsafeMutableRawPointer
  // In the order of the signature.
  private(set) var inputs: [UnsafeMutableRawBufferPointer]
  private(set) var outputs: [UnsafeMutableRawBufferPointer]
  /// The same memory as `outputs`, where it is the host's.
  let hostBuffers: UnsafeMutablePointer<HostBuffer?>
  private static var noMemory: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: nil, count: 0) }
  /// Whether an input has another shape than the outputs were last asked for.
  private var isResized = true
  /// Of the run that is going on; LiteRT asks for it between operators.
  private var ticket: Ticket?
  private var limit: UInt64?

  private var api: LiteRTAPI { file.environment.api }

  init(_ file: ModelFile, _ signature: ModelSignature, _ settings: CompileSettings) throws(RunnerError) {
    let environment = file.environment
    let api = environment.api
    let options = try settings.makeOptions(environment)
    defer { api.destroyOptions(options) }
    handle = try api.make("compiling the model") { out in
      environment.making.withLock { _ in api.createCompiledModel(environment.handle, file.handle, options, out) }
    }
    self.file = file
    self.signature = signature
    inputTypes = .allocate(capacity: signature.inputs.count)
    outputTypes = .allocate(capacity: signature.outputs.count)
    inputBuffers = .allocate(capacity: signature.inputs.count)
    inputBuffers.initialize(repeating: nil, count: signature.inputs.count)
    outputBuffers = .allocate(capacity: signature.outputs.count)
    outputBuffers.initialize(repeating: nil, count: signature.outputs.count)
    layouts = .allocate(byteCount: signature.outputs.count * NativeType.layoutByteCount, alignment: 4)
    inputs = Array(repeating: Self.noMemory, count: signature.inputs.count)
    outputs = Array(repeating: Self.noMemory, count: signature.outputs.count)
    hostBuffers = .allocate(capacity: signature.outputs.count)
    for place in 0..<signature.outputs.count { (hostBuffers + place).initialize(to: nil) }
    for tensor in signature.inputs { inputTypes[tensor.index] = tensor.nativeType }
    for tensor in signature.outputs { outputTypes[tensor.index] = tensor.nativeType }
    try api.check(
      api.setCancellation(handle, Unmanaged.passUnretained(self).toOpaque()) { context in
        guard let context else { return false }
        return Unmanaged<CompiledModel>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.mustEnd }
      }, "LiteRtSetCompiledModelCancellationFunction")
  }

  deinit {
    clear()
    file.environment.making.withLock { _ in api.destroyCompiledModel(handle) }
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
  func bindInput(_ place: Int, _ memory: UnsafeMutableRawBufferPointer) throws(RunnerError) {
    let tensor = signature.inputs[place]
    inputs[place] = memory
    inputBuffers[tensor.index] = try makeBuffer(tensor, inputTypes + tensor.index, memory)
  }

  /// After all inputs. An output that is another tensor too is written there; it is
  /// copied to `memory` after the run.
  func bindOutput(_ place: Int, _ memory: UnsafeMutableRawBufferPointer) throws(RunnerError) {
    let tensor = signature.outputs[place]
    outputs[place] = memory
    let target =
      switch signature.sources[place] {
      case .run: memory
      case .input(let input): inputs[input]
      case .output(let first): outputs[first]
      }
    outputBuffers[tensor.index] = try makeBuffer(tensor, outputTypes + tensor.index, target)
  }

  /// Copies what LiteRT wrote into another tensor's memory.
  private func finishOutputs() {
    for place in outputs.indices {
      switch signature.sources[place] {
      case .run: break
      case .input(let input): outputs[place].copyMemory(from: UnsafeRawBufferPointer(inputs[input]))
      case .output(let first): outputs[place].copyMemory(from: UnsafeRawBufferPointer(outputs[first]))
      }
    }
  }

  private func makeBuffer(
    _ tensor: ModelTensor, _ type: UnsafePointer<NativeType>, _ memory: UnsafeMutableRawBufferPointer
  ) throws(RunnerError) -> LiteRTObject {
    try api.make("memory of \(String(cString: tensor.name))") {
      api.createBuffer(type, memory.baseAddress!, memory.count, nil, $0)
    }
  }

  // -- A run

  private var mustEnd: Bool { ticket?.isCancelled == true || limit.map { monotonicNanoseconds() >= $0 } == true }

  /// - Parameter limit: Nanoseconds of CLOCK_MONOTONIC, after which the run ends too.
  /// - Throws: `.cancelled` or `.deadlineExceeded` as the ticket and the limit say; else what LiteRT says.
  func run(_ ticket: Ticket, limit: UInt64? = nil) throws(RunnerError) {
    self.ticket = ticket
    self.limit = limit
    defer {
      self.ticket = nil
      self.limit = nil
    }
    let status = api.run(
      handle, signature.index, signature.inputs.count, inputBuffers, signature.outputs.count, outputBuffers)
    guard status != 0 else { return finishOutputs() }
    let failure = failure(status, "the run")
    // LiteRT has no status of its own for a run that it was told to end.
    if ticket.isCancelled { throw ticket.interruption }
    if let limit, monotonicNanoseconds() >= limit { throw RunnerError(.deadlineExceeded, "the run didn't end") }
    throw failure
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
    for place in inputs.indices { inputs[place] = Self.noMemory }
    for place in outputs.indices { outputs[place] = Self.noMemory }
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
