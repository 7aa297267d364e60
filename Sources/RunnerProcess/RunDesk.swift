import CRunning
import Inference
import Running

/// What one thread needs to make runs: a request that is used again and again, and the host's memory for outputs.
final class RunDesk {
  private let base: UnsafeMutableRawPointer
  private let arenaBytes: Int
  private let request = RunRequest()
  private let outputs: OutputMemory
  /// The last run's model.
  private var number: UInt32 = 0
  private var model: LocalModel?

  init(base: UnsafeMutableRawPointer, arenaBytes: Int) {
    self.base = base
    self.arenaBytes = arenaBytes
    outputs = OutputMemory(base: base)
    // The host limits what a run may take.
    request.outputByteLimit = .max / 2
  }

  /// Makes the run that is written down at `run`, writes down what came out, and tells the host.
  func serve(_ run: UnsafeMutablePointer<shared_run>, _ find: (UInt32) -> LocalModel?, beforeTheEnd: () -> Void) {
    // Numbers are never used again, so the last one may be kept.
    if run.pointee.model != number {
      number = run.pointee.model
      model = find(number)
    }
    let ticket = request.ticket
    outputs.begin(run)
    ticket.renew(id: run.pointee.ticket, deadlineNs: run.pointee.deadline_ns)
    ticket.remoteCancel = UnsafePointer(
      (UnsafeMutableRawPointer(run) + MemoryLayout<shared_run>.offset(of: \.cancel)!).assumingMemoryBound(
        to: UInt32.self))
    ticket.outputs = outputs
    run.pointee.error = 0
    do throws(HostError) {
      guard let model else { throw HostError(.internalError, "the model isn't loaded") }
      let layout = RunLayout(inputCount: Int(run.pointee.input_count), outputRoom: Int(run.pointee.output_room))
      read(run, layout, model)
      run.pointee.run_ns = try model.run(request)
      try write(run, layout)
    } catch {
      refuse(run, error)
    }
    ticket.remoteCancel = nil
    ticket.outputs = nil
    outputs.end()
    request.reset()
    beforeTheEnd()
    let state = UnsafeMutableRawPointer(run).assumingMemoryBound(to: UInt32.self)
    shared_tell(state, UInt32(SHARED_RUN_DONE))
  }

  private func read(_ run: UnsafeMutablePointer<shared_run>, _ layout: RunLayout, _ model: LocalModel) {
    request.begin(model.signature)
    request.arena.use(outputs)
    for index in 0..<Int(run.pointee.input_count) {
      let input = layout.input(run, index)
      let rank = Int(input.pointee.rank)
      let room = request.shape(ofInput: index)
      let shape = RunLayout.shape(input)
      for axis in 0..<rank { room[axis] = shape[axis] }
      request.setInput(
        index, rank: rank, data: base + Int(input.pointee.offset), byteCount: Int(input.pointee.byte_size))
    }
    let wanted = layout.wanted(run)
    for place in 0..<Int(run.pointee.wanted_count) { request.want(output: Int(wanted[place])) }
  }

  private func write(_ run: UnsafeMutablePointer<shared_run>, _ layout: RunLayout) throws(HostError) {
    for (place, output) in request.outputs.enumerated() {
      var data = output.data
      let isShared = data >= UnsafeRawPointer(base) && data < UnsafeRawPointer(base + arenaBytes)
      if !isShared && output.byteCount > 0 {
        // The runner's own memory: the host can't see it.
        guard let copy = outputs.take(output.byteCount) else {
          throw HostError(.overloaded, "no memory for an output of \(output.byteCount) bytes; try again later")
        }
        copy.copyMemory(from: data, byteCount: output.byteCount)
        data = UnsafeRawPointer(copy)
      }
      let tensor = layout.output(run, place)
      tensor.pointee.index = UInt32(output.index)
      tensor.pointee.dtype = output.elementType.rawValue
      tensor.pointee.rank = UInt32(output.rank)
      tensor.pointee.offset = output.byteCount > 0 ? UInt64(data - UnsafeRawPointer(base)) : 0
      tensor.pointee.byte_size = UInt64(output.byteCount)
      let shape = RunLayout.shape(tensor)
      for (axis, dimension) in request.shape(of: output).enumerated() { shape[axis] = dimension }
    }
    run.pointee.output_count = UInt32(request.outputs.count)
  }

  private func refuse(_ run: UnsafeMutablePointer<shared_run>, _ error: HostError) {
    run.pointee.error = ControlMessages.number(of: error.code)
    let start = UnsafeMutableRawPointer(run) + MemoryLayout<shared_run>.offset(of: \.message)!
    var count = 0
    for byte in error.description.utf8.prefix(Int(SHARED_RUN_MESSAGE_BYTES)) {
      start.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
      count += 1
    }
    run.pointee.message_bytes = UInt32(count)
  }
}
