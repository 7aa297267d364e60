import CStadionRunner
import Glibc
import Inference
import Synchronization

/// One run: hands the request to the runner and judges what it emits, as the host does.
///
/// Used by one thread. Kept for ever by its own request, so that a late emit meets it alive.
final class ModelRun {
  struct Output: Equatable {
    let name: String
    let shape: [Int64]
    let bytes: [UInt8]
  }

  /// When a buffer of the runner's own is released: hosts do all of these.
  enum Release { case duringEmit, afterRun, whenTold }

  let model: Model
  let ticket: KitTicket
  private let wanted: [UInt32]?
  private(set) var outputs: [Output] = []
  private(set) var message = ""
  /// Emitted and not yet released.
  private var held: [HeldBuffer] = []
  private var release = Release.afterRun
  private(set) var ownBufferCount = 0
  private let isRunning = Atomic(false)
  private var refused: stadion_code?
  private let memory: [GuardedMemory]
  /// The request, its tensors and shapes: poisoned together with the inputs.
  private let records: GuardedMemory
  private let request: UnsafeMutablePointer<stadion_request>
  var report: Report { model.report }

  /// - Parameter wanted: Indexes into the outputs; nil is all.
  init?(_ model: Model, _ inputs: Inputs, ticket: KitTicket = KitTicket(), wanted: [UInt32]? = nil) {
    self.model = model
    self.ticket = ticket
    self.wanted = wanted
    let count = inputs.tensors.count
    guard let records = GuardedMemory(byteCount: 64 + count * (8 + 56 + Model.maxRank * 8) + (wanted?.count ?? 0) * 4)
    else { return nil }
    self.records = records
    let memory = inputs.tensors.compactMap { tensor in
      let memory = GuardedMemory(byteCount: tensor.bytes.count, beyond: .inputOverread)
      memory?.fill(tensor.bytes)
      return memory
    }
    guard memory.count == count else { return nil }
    self.memory = memory
    request = records.data.bindMemory(to: stadion_request.self, capacity: 1)
    let pointers = (records.data + 64).bindMemory(to: UnsafePointer<stadion_tensor>?.self, capacity: count)
    let tensors = (records.data + 64 + count * 8).bindMemory(to: stadion_tensor.self, capacity: count)
    let shapes = (records.data + 64 + count * 64).bindMemory(to: Int64.self, capacity: count * Model.maxRank)
    let indexes = (records.data + 64 + count * (64 + Model.maxRank * 8)).bindMemory(
      to: UInt32.self, capacity: wanted?.count ?? 0)
    for (index, tensor) in inputs.tensors.enumerated() {
      let shape = shapes + index * Model.maxRank
      for (axis, size) in tensor.shape.enumerated() { shape[axis] = size }
      tensors[index] = stadion_tensor(
        struct_size: 56, dtype: model.inputs[index].spec.elementType.rawValue, rank: UInt32(tensor.shape.count),
        reserved: 0, name: model.inputs[index].name, shape: shape, data: memory[index].data,
        byte_size: UInt64(tensor.bytes.count), buffer: nil)
      pointers[index] = UnsafePointer(tensors + index)
    }
    for (index, output) in (wanted ?? []).enumerated() { indexes[index] = output }
    request.initialize(
      to: stadion_request(
        struct_size: UInt32(MemoryLayout<stadion_request>.size), input_count: UInt32(count),
        inputs: UnsafePointer(pointers), ticket: UnsafePointer(ticket.pointer), context: nil,
        emit: { request, output, last in
          guard let context = request?.pointee.context else { return ModelRun.withoutRequest() }
          return Unmanaged<ModelRun>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.emit(output, last) }
        }, wanted_outputs: wanted == nil ? nil : UnsafePointer(indexes),
        wanted_output_count: UInt32(wanted?.count ?? 0), reserved: 0))
    request.pointee.context = Unmanaged.passRetained(self).toOpaque()
  }

  /// The report of this process, for an emit that doesn't say which run it belongs to.
  private static let anyReport = Mutex<Report?>(nil)
  private static func withoutRequest() -> stadion_code {
    anyReport.withLock { $0 }?.find(.emitNull, "emit was called without the request")
    return Code.internalError
  }

  func forbidWriting() {
    for memory in memory { memory.forbidWriting(.inputWritten) }
  }

  /// After the run: whoever touches it again crashes.
  func poison() {
    for memory in memory { memory.poison(.inputKept) }
    records.poison(.inputKept)
  }

  /// After the run, for loops that measure memory.
  func end() {
    for memory in memory { memory.unmap() }
    records.unmap()
    Unmanaged.passUnretained(self).release()
    Unmanaged.passUnretained(ticket).release()
    ticket.pointer.deallocate()
  }

  /// Runs. What is wrong with the outputs is reported.
  func perform(_ release: Release = .afterRun) -> stadion_code {
    Self.anyReport.withLock { $0 = report }
    outputs = []
    refused = nil
    self.release = release
    isRunning.store(true, ordering: .releasing)
    let error = ErrorRecord()
    let code = model.library.table.pointee.run(model.pointer, UnsafePointer(request), error.pointer)
    isRunning.store(false, ordering: .releasing)
    error.check(code, after: "run", report)
    message = error.message
    if code == Code.ok { checkComplete() }
    if let refused, code != refused { report.find(.emitRefused, "emit returned \(refused), run \(code)") }
    if code == Code.cancelled, !ticket.isCancelled { report.find(.cancelUnasked, "run returned CANCELLED") }
    if release == .afterRun { releaseHeld() }
    return code
  }

  /// Any thread, after the run.
  func releaseHeld() {
    for buffer in held { buffer.release(model.library.host, report) }
    held = []
  }

  private func checkComplete() {
    for index in wanted ?? Array(0..<UInt32(model.outputs.count)) {
      let name = model.outputs[Int(index)].spec.name
      if !outputs.contains(where: { $0.name == name }), refused == nil {
        report.find(.emitMissing, "run returned OK without output \"\(name)\"")
      }
    }
  }

  private func emit(_ pointer: UnsafePointer<stadion_tensor>?, _ isLast: Bool) -> stadion_code {
    guard let pointer else { return refuse(.emitNull, "emit got NULL as tensor", nil) }
    let tensor = pointer.pointee
    guard tensor.struct_size >= 56, tensor.struct_size <= 4096 else {
      return refuse(.emitSize, "struct_size is \(tensor.struct_size), not 56", nil)
    }
    guard isRunning.load(ordering: .acquiring) else {
      return refuse(.emitLate, "emit was called after run returned", tensor.buffer)
    }
    let host = model.library.host
    if let buffer = tensor.buffer {
      if host.isLent(buffer) == false {
        return refuse(.bufferTwice, "emit got a buffer of the host that was emitted or given back before", nil)
      }
      host.check(buffer)
    }
    do {
      let output = try EmittedOutput(tensor, model)
      guard !outputs.contains(where: { $0.name == output.spec.name }) else {
        return refuse(.emitTwice, "output \"\(output.spec.name)\" came again after its last part", tensor.buffer)
      }
      if let buffer = tensor.buffer, !take(buffer, tensor, output) {
        return refuse(.bufferTwice, "output \"\(output.spec.name)\" came in a buffer emitted before", nil)
      }
      let streams = model.flags & (1 << 1) != 0
      guard isLast || streams else {
        return refuse(
          .emitPart, "output \"\(output.spec.name)\" came with last = false; the device doesn't stream", nil)
      }
      if isLast { outputs.append(Output(name: output.spec.name, shape: output.shape, bytes: output.bytes)) }
      return Code.ok
    } catch {
      return refuse(error.rule, error.seen, tensor.buffer)
    }
  }

  /// The host's own is copied by now and released at once, so that a later touch is seen.
  ///
  /// - Returns: False when the buffer was emitted before and not yet released.
  private func take(
    _ buffer: UnsafeMutablePointer<stadion_buffer>, _ tensor: stadion_tensor, _ output: EmittedOutput
  ) -> Bool {
    let host = model.library.host
    if host.isLent(buffer) == true {
      buffer.pointee.release(buffer)
      return true
    }
    guard host.hold(buffer) else { return false }
    ownBufferCount += 1
    let new = HeldBuffer(buffer, tensor, output)
    if release == .duringEmit { new.release(host, report) } else { held.append(new) }
    return true
  }

  /// Takes the buffer as the host would, and says no.
  private func refuse(
    _ rule: Rule, _ seen: String, _ buffer: UnsafeMutablePointer<stadion_buffer>?
  ) -> stadion_code {
    report.find(rule, seen)
    refused = Code.internalError
    let host = model.library.host
    if let buffer, host.isLent(buffer) != false, host.hold(buffer) {
      host.letGo(buffer)
      buffer.pointee.release?(buffer)
    }
    return Code.internalError
  }
}
