import CLinux
import CStadionRunner
package import Inference
package import Telemetry
import Synchronization

/// A model inside a runner, ready to run. Any thread.
package final class LoadedModel: @unchecked Sendable {
  // @unchecked: the pointers are set once; `unload` waits until no run uses them.

  package let runnerID: String
  package let device: DeviceKind
  package let inputs: [TensorSpec]
  package let outputs: [TensorSpec]
  /// What the model says of itself.
  package let metadata: [(key: String, value: String)]
  package let gate: RunGate
  package let place: RunPlace

  /// Names as the runner gave them; they live until the model is unloaded.
  let inputNames: [UnsafePointer<CChar>]
  private let outputNames: [UnsafePointer<CChar>]
  private let plugin: Plugin
  private let pointer: OpaquePointer
  private let threads: RunThreads
  /// True once the runner may no longer be called with this model.
  private let isUnloaded = Mutex(false)

  /// What a run took, in nanoseconds.
  package struct Times: Sendable {
    /// Until the run began.
    package let queueNs: UInt64
    package let runNs: UInt64
  }

  struct Placement {
    let threads: RunThreads
    let gate: RunGate
    let place: RunPlace
  }

  /// Reads the signature of a model that `plugin` has just loaded.
  ///
  /// - Throws: `.runnerFailed` or `.unsupported` for a signature that can't be served; the caller unloads the model.
  init(plugin: Plugin, device: DeviceKind, pointer: OpaquePointer, placement: Placement) throws(HostError) {
    self.plugin = plugin
    self.pointer = pointer
    self.device = device
    runnerID = plugin.id
    threads = placement.threads
    gate = placement.gate
    place = placement.place
    (inputs, inputNames) = try Self.signature(plugin, pointer, outputs: false)
    (outputs, outputNames) = try Self.signature(plugin, pointer, outputs: true)
    metadata = Self.metadata(plugin, pointer)
  }

  /// Tensors of one side at most; bounds what a broken signature can make the host do.
  private static let maxTensors = 4096

  private static func signature(
    _ plugin: Plugin, _ pointer: OpaquePointer, outputs: Bool
  ) throws(HostError) -> ([TensorSpec], [UnsafePointer<CChar>]) {
    let side = outputs ? "output" : "input"
    func refuse(_ reason: String) -> HostError { HostError(.runnerFailed, "runner \(plugin.id): \(reason)") }
    var specs: [TensorSpec] = []
    var names: [UnsafePointer<CChar>] = []
    while let tensor = plugin.table.pointee.signature(pointer, outputs, UInt32(specs.count))?.pointee {
      guard specs.count < maxTensors else { throw refuse("more than \(maxTensors) \(side)s") }
      guard tensor.struct_size >= UInt32(MemoryLayout<stadion_tensor>.size), let name = tensor.name else {
        throw refuse("\(side) \(specs.count) has no size or name")
      }
      let text = String(cString: name)
      guard let type = ElementType(dtype: tensor.dtype) else {
        throw refuse("\(side) '\(text)' has element type \(tensor.dtype)")
      }
      guard tensor.rank == 0 || tensor.shape != nil else {
        throw refuse("\(side) '\(text)' has rank \(tensor.rank) and no shape")
      }
      guard tensor.rank <= UInt32(RunRequest.maxRank) else {
        throw HostError(
          .unsupported, "\(side) '\(text)' has rank \(tensor.rank), at most \(RunRequest.maxRank) is served")
      }
      let shape = Array(UnsafeBufferPointer(start: tensor.shape, count: Int(tensor.rank)))
      guard shape.allSatisfy({ $0 >= -1 }) else { throw refuse("\(side) '\(text)' has shape \(shape)") }
      guard !text.isEmpty, !specs.contains(where: { $0.name == text }) else {
        throw refuse("two \(side)s are named '\(text)', or one has no name")
      }
      specs.append(TensorSpec(name: text, elementType: type, shape: shape))
      names.append(name)
    }
    return (specs, names)
  }

  private static func metadata(_ plugin: Plugin, _ pointer: OpaquePointer) -> [(key: String, value: String)] {
    func string(_ text: stadion_text) -> String {
      guard let data = text.data, text.size <= 1 << 20 else { return "" }
      return String(decoding: UnsafeRawBufferPointer(start: data, count: text.size), as: UTF8.self)
    }
    var pairs: [(key: String, value: String)] = []
    while pairs.count < maxTensors, let pair = plugin.table.pointee.metadata?(pointer, UInt32(pairs.count))?.pointee {
      pairs.append((string(pair.key), string(pair.value)))
    }
    return pairs
  }

  func outputIndex(of name: UnsafePointer<CChar>) -> Int? {
    // Nearly always the runner emits the signature's own names.
    for index in 0..<outputNames.count where outputNames[index] == name { return index }
    for index in 0..<outputNames.count where strcmp(outputNames[index], name) == 0 { return index }
    return nil
  }

  // MARK: Running

  /// Runs `request` when there is a free place: here if the model is quick, else on a run thread.
  ///
  /// - Parameters:
  ///   - statistics: Where a run that fails is counted; one that succeeds is counted by the caller, with its answer.
  ///   - prepareToWait: Called once before anything slow begins, to arrange for cancellation.
  /// - Throws: Whatever the runner or the gate says.
  @discardableResult
  package func execute(
    _ request: RunRequest, statistics: ModelStatistics, prepareToWait: () -> Void
  ) async throws(HostError) -> Times {
    let began = linux_now_ns()
    var entered = began
    var isWatched = false
    if !gate.tryEnter() {
      try gate.checkQueue()
      prepareToWait()
      watch(request.ticket)
      isWatched = true
      do {
        try await gate.enter(request.ticket)
      } catch {
        Deadlines.shared.remove(id: request.ticket.id)
        throw cancellationError(request.ticket) ?? error
      }
      entered = linux_now_ns()
    }
    if place.isInline {
      if isWatched { Deadlines.shared.remove(id: request.ticket.id) }
      defer { gate.leave() }
      return Times(queueNs: entered - began, runNs: try run(request, since: entered, statistics))
    }
    if !isWatched {
      prepareToWait()
      watch(request.ticket)
    }
    let outcome = await withTaskExecutorPreference(threads) { () async -> Result<Times, HostError> in
      let started = linux_now_ns()
      return Result { () throws(HostError) in
        Times(queueNs: started - began, runNs: try self.run(request, since: started, statistics))
      }
    }
    Deadlines.shared.remove(id: request.ticket.id)
    gate.leave()
    return try outcome.get()
  }

  @inline(__always)
  private func run(
    _ request: RunRequest, since start: UInt64, _ statistics: ModelStatistics
  ) throws(HostError) -> UInt64 {
    if let error = cancellationError(request.ticket) { throw error }
    let code = plugin.table.pointee.run(pointer, request.arguments(), request.error)
    request.endRun()
    let duration = linux_now_ns() - start
    place.note(duration)
    guard code == Code.ok else {
      statistics.fail.add(duration)
      throw failure(code, request)
    }
    do {
      try request.checkOutputs()
    } catch {
      statistics.fail.add(duration)
      throw error
    }
    // A runner that doesn't look at its ticket may be late, and nobody waits any more.
    if request.ticket.deadlineNs != 0, let error = cancellationError(request.ticket) { throw error }
    return duration
  }

  private func failure(_ code: stadion_code, _ request: RunRequest) -> HostError {
    if let fault = request.takeFault() { return fault }
    if code == Code.cancelled {
      return cancellationError(request.ticket)
        ?? HostError(.runnerFailed, "runner \(runnerID) says that its run was cancelled; nobody did that")
    }
    return ErrorRecord.hostError(request.error, code, runnerID: runnerID, doing: "run")
  }

  private func cancellationError(_ ticket: Ticket) -> HostError? {
    switch ticket.cancellation {
    case nil: nil
    case .caller: HostError(.cancelled, "the caller has left")
    case .deadline: HostError(.deadlineExceeded, "the deadline passed before runner \(runnerID) was done")
    }
  }

  // MARK: Cancelling

  private func watch(_ ticket: Ticket) {
    guard ticket.deadlineNs != 0 else { return }
    let id = ticket.id
    Deadlines.shared.add(id: id, deadlineNs: ticket.deadlineNs) { self.cancel(ticket, id: id, .deadline) }
  }

  /// Ends the wait or the run of the request that holds `id`; nothing happens if that is over. Any thread.
  package func cancel(_ ticket: Ticket, id: UInt64, _ reason: Ticket.Cancellation) {
    guard ticket.cancel(id: id, reason) else { return }
    gate.wake(ticketID: id)
    guard let interrupt = plugin.interrupt?.pointee.interrupt else { return }
    isUnloaded.withLock { isUnloaded in
      if !isUnloaded { interrupt(pointer, id) }
    }
  }

  // MARK: Unloading

  /// Waits for runs to end, then unloads. [control], on the runner's thread from there on.
  func drain() async { await gate.closeAndDrain() }

  /// [control]. After `drain`.
  func unload() {
    isUnloaded.withLock { $0 = true }
    plugin.table.pointee.unload(pointer)
    threads.end()
    TensorMemory.trim()
    linux_trim_memory()
  }
}
