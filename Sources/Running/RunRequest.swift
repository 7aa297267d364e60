import CRunning
import CStadionRunner
package import Inference
import Synchronization
import Telemetry

/// One run's inputs and outputs, in memory that is used again for the next.
///
/// Owned by one task; while a run is under way, by the thread that runs it. Inputs point into memory that the owner keeps
/// until `reset`; outputs live until `reset`.
package final class RunRequest: @unchecked Sendable {
  // @unchecked: never used from two threads at once.

  package static let maxRank = 8

  /// An output that the runner has emitted.
  package struct Output {
    /// Index into the model's outputs.
    package let index: Int
    package let elementType: ElementType
    package let rank: Int
    package let data: UnsafeRawPointer
    package let byteCount: Int
    let buffer: UnsafeMutablePointer<stadion_buffer>?
  }

  /// Where this request's tensors lie.
  package private(set) var arena = Arena()
  /// Keeps the inputs of a request that went on to a model with memory elsewhere.
  private var formerArena: Arena?
  package let ticket = Ticket()
  package private(set) var outputs: [Output] = []
  /// Largest sum of all outputs, in bytes; more is refused.
  package var outputByteLimit = 1 << 30
  /// Whose it is.
  package var share = RunShare.standard
  /// What the last run took, also one that failed; 0 if it never began.
  package internal(set) var runNs: UInt64 = 0

  /// Kept alive by whoever called `begin`.
  private(set) unowned(unsafe) var signature: ModelSignature?
  /// The model in this process that runs it; nil outside of `run`. Kept alive by its caller.
  private unowned(unsafe) var model: LocalModel?
  /// What the runner's process sees of this run; nil for a model in this process.
  private(set) var shared: SharedRun?
  /// Kept for the next run in some process.
  private var idleShared: SharedRun?
  private var capacity = 0
  private(set) var tensors = UnsafeMutablePointer<stadion_tensor>.allocate(capacity: 0)
  private var tensorPointers = UnsafeMutablePointer<UnsafePointer<stadion_tensor>?>.allocate(capacity: 0)
  private var inputShapes = UnsafeMutablePointer<Int64>.allocate(capacity: 0)
  private var outputShapes = UnsafeMutablePointer<Int64>.allocate(capacity: 0)
  private(set) var wanted = UnsafeMutablePointer<UInt32>.allocate(capacity: 0)
  private(set) var wantedCount = 0
  private let request: UnsafeMutablePointer<stadion_request>
  let error: UnsafeMutablePointer<stadion_error>
  /// What was wrong with an emitted output.
  private var fault: HostError?
  private(set) var takenBytes = 0
  private var isRunning = false

  package init() {
    request = .allocate(capacity: 1)
    error = .allocate(capacity: 1)
    error.initialize(to: stadion_error())
    request.initialize(
      to: stadion_request(
        struct_size: UInt32(MemoryLayout<stadion_request>.size), input_count: 0, inputs: nil, ticket: nil, context: nil,
        emit: { request, output, last in
          guard let context = request?.pointee.context else { return Code.invalidArgument }
          return Unmanaged<RunRequest>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.emit(output, isLast: last) }
        }, wanted_outputs: nil, wanted_output_count: 0, reserved: 0))
    request.pointee.context = Unmanaged.passUnretained(self).toOpaque()
    request.pointee.ticket = UnsafePointer(ticket.pointer)
  }

  deinit {
    reset()
    freeTables()
    request.deallocate()
    error.deallocate()
  }

  // MARK: Before the run

  /// Empties the request for a run of `model`.
  ///
  /// - Throws: `.overloaded` when the runner's process has no memory for a further request.
  package func begin(_ model: LoadedModel) throws(HostError) {
    begin(model.signature)
    try model.home.begin(self)
  }

  /// Makes this a run in the process that shares `arena`.
  func share(_ arena: SharedArena, _ run: UnsafeMutablePointer<shared_run>, _ layout: RunLayout) {
    if let idle = idleShared {
      idle.begin(arena: arena, run: run, layout: layout)
      shared = idle
    } else {
      shared = SharedRun(arena: arena, run: run, layout: layout)
      idleShared = shared
    }
  }

  /// The same for a model in this process.
  package func begin(_ signature: ModelSignature) {
    self.signature = signature
    let needed = max(signature.inputs.count, signature.outputs.count)
    if needed > capacity { grow(needed) }
    for index in 0..<signature.inputs.count { tensors[index].data = nil }
    wantedCount = 0
  }

  private func freeTables() {
    tensors.deallocate()
    tensorPointers.deallocate()
    inputShapes.deallocate()
    outputShapes.deallocate()
    wanted.deallocate()
  }

  private func grow(_ needed: Int) {
    freeTables()
    capacity = needed
    tensors = .allocate(capacity: needed)
    tensorPointers = .allocate(capacity: needed)
    inputShapes = .allocate(capacity: needed * Self.maxRank)
    outputShapes = .allocate(capacity: needed * Self.maxRank)
    wanted = .allocate(capacity: needed)
    for index in 0..<needed {
      tensors[index] = stadion_tensor()
      tensors[index].struct_size = UInt32(MemoryLayout<stadion_tensor>.size)
      tensorPointers[index] = UnsafePointer(tensors + index)
    }
  }

  /// Sends the request to another instance of the same model, whose memory may be elsewhere.
  package func retarget(_ model: LoadedModel) throws(HostError) {
    guard shared?.arena !== model.sharedArena else { return }
    let former = arena
    arena = formerArena ?? Arena()
    formerArena = former
    shared = nil
    try model.home.begin(self)
    for index in 0..<model.inputs.count {
      let byteCount = Int(tensors[index].byte_size)
      guard let data = tensors[index].data, let copy = arena.allocate(max(byteCount, 1)) else { throw .outOfMemory }
      copy.copyMemory(from: data, byteCount: byteCount)
      tensors[index].data = copy
      try check(UnsafeMutableRawBufferPointer(start: copy, count: byteCount), input: index)
    }
  }

  /// Checks a copy of an input that was checked where another runner's process could change it since.
  private func check(_ bytes: UnsafeMutableRawBufferPointer, input index: Int) throws(HostError) {
    guard let spec = signature?.inputs[index] else { return }
    if spec.elementType == .bool { for place in bytes.indices where bytes[place] > 1 { bytes[place] = 1 } }
    guard spec.elementType == .utf8 else { return }
    let shape = UnsafeBufferPointer(start: shape(ofInput: index), count: Int(tensors[index].rank))
    guard TensorText.elementCount(in: UnsafeRawBufferPointer(bytes)) == TensorSize.elementCount(shape) else {
      throw HostError(.invalidRequest, "input '\(spec.name)' has changed while it was read")
    }
  }

  /// Whether a runner can read `byteCount` bytes at `start` where they lie.
  ///
  /// - Parameter isShared: They lie in memory that some runner's process may write.
  package func canRead(_ start: UnsafeRawPointer, _ byteCount: Int, isShared: Bool) -> Bool {
    guard UInt(bitPattern: start) & 63 == 0 else { return false }
    return shared.map { $0.arena.contains(start, byteCount) } ?? !isShared
  }

  package func hasInput(_ index: Int) -> Bool { tensors[index].data != nil }

  /// Room for input `index`'s shape: `maxRank` dimensions.
  package func shape(ofInput index: Int) -> UnsafeMutablePointer<Int64> { inputShapes + index * Self.maxRank }

  /// - Parameters:
  ///   - rank: Dimensions already written to `shape(ofInput:)`.
  ///   - data: 64-byte aligned; stays as it is until `reset`.
  package func setInput(_ index: Int, rank: Int, data: UnsafeRawPointer, byteCount: Int) {
    guard let signature else { return }
    tensors[index].dtype = signature.inputs[index].elementType.rawValue
    tensors[index].rank = UInt32(rank)
    tensors[index].shape = UnsafePointer(inputShapes + index * Self.maxRank)
    tensors[index].data = UnsafeMutableRawPointer(mutating: data)
    tensors[index].byte_size = UInt64(byteCount)
  }

  /// The first dimension, if all inputs have the same and the model leaves it open in each; else 1. Once all are set.
  package var rows: UInt64 {
    guard let signature, signature.takesRows else { return 1 }
    let rows = inputShapes[0]
    for index in 1..<signature.inputs.count where shape(ofInput: index)[0] != rows { return 1 }
    return UInt64(clamping: rows)
  }

  /// Asks for one output; without any call all are wanted.
  package func want(output index: Int) {
    if wantedCount < capacity {
      wanted[wantedCount] = UInt32(index)
      wantedCount += 1
    }
  }

  package func isWanted(_ index: Int) -> Bool {
    if wantedCount == 0 { return true }
    for place in 0..<wantedCount where wanted[place] == UInt32(index) { return true }
    return false
  }

  // MARK: The run, on its thread

  func arguments(for model: LocalModel) -> UnsafePointer<stadion_request> {
    self.model = model
    let count = model.signature.inputs.count
    for index in 0..<count { tensors[index].name = model.inputName(index) }
    request.pointee.inputs = UnsafePointer(tensorPointers)
    request.pointee.input_count = UInt32(count)
    request.pointee.wanted_outputs = wantedCount == 0 ? nil : UnsafePointer(wanted)
    request.pointee.wanted_output_count = UInt32(wantedCount)
    error.pointee.struct_size = UInt32(MemoryLayout<stadion_error>.size)
    error.pointee.code = Code.ok
    error.pointee.native_code = 0
    error.pointee.source.0 = 0
    error.pointee.message.0 = 0
    isRunning = true
    return UnsafePointer(request)
  }

  /// - Throws: What the runner emitted wrongly, or forgot.
  func checkOutputs() throws(HostError) {
    if let fault { throw fault }
    guard let signature else { return }
    let expected = wantedCount == 0 ? signature.outputs.count : wantedCount
    if outputs.count == expected { return }
    for (index, spec) in signature.outputs.enumerated()
    where isWanted(index) && !outputs.contains(where: { $0.index == index }) {
      throw HostError(.runnerFailed, "runner \(signature.runnerID) returned without output '\(spec.name)'")
    }
  }

  func endRun() { isRunning = false }

  func takeFault() -> HostError? { fault }

  package func shape(of output: Output) -> UnsafeBufferPointer<Int64> {
    UnsafeBufferPointer(start: outputShapes + output.index * Self.maxRank, count: output.rank)
  }

  /// Takes one output from the runner. Nothing it says is believed before it is checked.
  private func emit(_ pointer: UnsafePointer<stadion_tensor>?, isLast: Bool) -> stadion_code {
    guard let pointer, pointer.pointee.struct_size >= UInt32(MemoryLayout<stadion_tensor>.size) else {
      return misuse("emitted a tensor without its size", release: nil)
    }
    let tensor = pointer.pointee
    guard isRunning, let model else { return tooLate(tensor.buffer) }
    guard let name = tensor.name, let index = model.outputIndex(of: name) else {
      return misuse("emitted an output that the model doesn't have", release: tensor.buffer)
    }
    guard isWanted(index) else {
      release(tensor.buffer)
      return Code.ok
    }
    let spec = model.signature.outputs[index]
    guard isLast, !outputs.contains(where: { $0.index == index }) else {
      fault = HostError(.notOffered, "model answers output '\(spec.name)' in several parts; infer takes one answer")
      release(tensor.buffer)
      return Code.unsupported
    }
    guard let type = ElementType(dtype: tensor.dtype), Int(tensor.rank) <= Self.maxRank,
      tensor.rank == 0 || tensor.shape != nil
    else {
      return misuse(
        "emitted '\(spec.name)' with an unknown type or a rank over \(Self.maxRank)", release: tensor.buffer)
    }
    guard type == spec.elementType else {
      return misuse(
        "emitted '\(spec.name)' as \(type.protocolName), declared \(spec.elementType.protocolName)",
        release: tensor.buffer)
    }
    let shape = UnsafeBufferPointer(start: tensor.shape, count: Int(tensor.rank))
    guard let elements = TensorSize.elementCount(shape), let byteCount = Int(exactly: tensor.byte_size),
      byteCount == 0 || tensor.data != nil
    else { return misuse("emitted '\(spec.name)' with an impossible shape or size", release: tensor.buffer) }
    guard byteCount <= outputByteLimit - takenBytes else {
      fault = HostError(.overloaded, "the outputs exceed the limit of \(outputByteLimit) bytes")
      release(tensor.buffer)
      return Code.resourceExhausted
    }
    guard isConsistent(type, elements, UnsafeRawBufferPointer(start: tensor.data, count: byteCount)) else {
      return misuse(
        "emitted '\(spec.name)' with \(byteCount) bytes, which its shape doesn't take", release: tensor.buffer)
    }
    if let buffer = tensor.buffer {
      guard !outputs.contains(where: { $0.buffer == buffer }) else {
        return misuse("emitted '\(spec.name)' in a buffer that it has given away", release: nil)
      }
      guard isInside(buffer.pointee, tensor.data, byteCount) else {
        return misuse("emitted '\(spec.name)' outside of its buffer", release: buffer)
      }
    }
    return take(index, type, shape, tensor, byteCount)
  }

  /// Whether the bytes lie in the buffer that is to keep them.
  private func isInside(_ buffer: stadion_buffer, _ data: UnsafeMutableRawPointer?, _ byteCount: Int) -> Bool {
    if byteCount == 0 { return true }
    guard let data, let start = buffer.data, data >= start else { return false }
    let offset = UInt64(data - start)
    return buffer.byte_size >= offset && buffer.byte_size - offset >= UInt64(byteCount)
  }

  private func take(
    _ index: Int, _ type: ElementType, _ shape: UnsafeBufferPointer<Int64>, _ tensor: stadion_tensor, _ byteCount: Int
  ) -> stadion_code {
    var data = UnsafeRawPointer(arenaStart)
    if tensor.buffer != nil {
      if let start = tensor.data { data = UnsafeRawPointer(start) }
    } else if byteCount > 0 {
      guard let copy = arena.allocate(byteCount) else { return Code.resourceExhausted }
      copy.copyMemory(from: tensor.data, byteCount: byteCount)
      data = UnsafeRawPointer(copy)
    }
    let room = outputShapes + index * Self.maxRank
    for axis in 0..<shape.count { room[axis] = shape[axis] }
    append(
      Output(
        index: index, elementType: type, rank: shape.count, data: data, byteCount: byteCount, buffer: tensor.buffer))
    return Code.ok
  }

  func append(_ output: Output) {
    takenBytes += output.byteCount
    outputs.append(output)
  }

  func shapeRoom(ofOutput index: Int) -> UnsafeMutablePointer<Int64> { outputShapes + index * Self.maxRank }

  /// Any address for tensors without bytes.
  private var arenaStart: UnsafeMutableRawPointer { UnsafeMutableRawPointer(error) }

  func isConsistent(_ type: ElementType, _ elements: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let size = type.byteCount else { return TensorText.elementCount(in: bytes) == elements }
    let (wanted, overflow) = elements.multipliedReportingOverflow(by: size)
    return !overflow && wanted == bytes.count
  }

  private func misuse(_ what: String, release buffer: UnsafeMutablePointer<stadion_buffer>?) -> stadion_code {
    release(buffer)
    if fault == nil {
      fault = HostError(.runnerFailed, "runner \(signature?.runnerID ?? "unknown") misbehaves: \(what)")
    }
    return Code.internalError
  }

  /// Nothing of the request is touched: it may be under way again for someone else.
  private func tooLate(_ buffer: UnsafeMutablePointer<stadion_buffer>?) -> stadion_code {
    Log.warning("a runner misbehaves: emit after run returned", ("ticket", String(ticket.id)))
    release(buffer)
    return Code.internalError
  }

  /// Gives back what is refused; a buffer that an earlier output keeps stays with that one.
  private func release(_ buffer: UnsafeMutablePointer<stadion_buffer>?) {
    guard let buffer, !isRunning || !outputs.contains(where: { $0.buffer == buffer }) else { return }
    buffer.pointee.release?(buffer)
  }

  // MARK: After the answer

  /// Gives all memory of inputs and outputs back.
  package func reset() {
    for output in outputs { if let buffer = output.buffer { buffer.pointee.release?(buffer) } }
    if !outputs.isEmpty { outputs.removeAll(keepingCapacity: true) }
    takenBytes = 0
    fault = nil
    shared = nil
    // Nobody runs there any more; its memory goes with the last reference.
    if let idle = idleShared, idle.arena.isOver.load(ordering: .relaxed) { idleShared = nil }
    arena.reset()
    formerArena?.reset()
  }
}
