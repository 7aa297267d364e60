import CRunning
import CStadionRunner
import Inference

/// A run in a runner's process, written down and read back. What the process wrote is read once and believed never.
extension RunRequest {
  /// Writes down what the process is to run.
  func describeInputs() {
    guard let shared, let signature else { return }
    let run = shared.run
    let count = signature.inputs.count
    run.pointee.input_count = UInt32(count)
    run.pointee.output_room = UInt32(signature.outputs.count)
    for index in 0..<count {
      let input = shared.layout.input(run, index)
      let tensor = tensors[index]
      input.pointee.index = UInt32(index)
      input.pointee.dtype = tensor.dtype
      input.pointee.rank = tensor.rank
      input.pointee.offset = tensor.data.map { shared.offset(of: $0) } ?? 0
      input.pointee.byte_size = tensor.byte_size
      let shape = RunLayout.shape(input)
      for axis in 0..<Int(tensor.rank) { shape[axis] = tensor.shape[axis] }
    }
    run.pointee.wanted_count = UInt32(wantedCount)
    let list = shared.layout.wanted(run)
    for place in 0..<wantedCount { list[place] = wanted[place] }
  }

  /// Takes the outputs of a run that is done.
  ///
  /// - Returns: Nanoseconds that it took in the process.
  /// - Throws: What the runner said; `.internalError` with what the process did wrong.
  func takeShared(_ signature: ModelSignature) throws(HostError) -> UInt64 {
    guard let shared else { return 0 }
    func word(_ offset: Int) -> UInt32 {
      shared_load((UnsafeMutableRawPointer(shared.run) + offset).assumingMemoryBound(to: UInt32.self))
    }
    let runNs = shared_load64(
      (UnsafeMutableRawPointer(shared.run) + MemoryLayout<shared_run>.offset(of: \.run_ns)!)
        .assumingMemoryBound(to: UInt64.self))
    let error = word(MemoryLayout<shared_run>.offset(of: \.error)!)
    if error != 0 {
      let byteCount = Int(word(MemoryLayout<shared_run>.offset(of: \.message_bytes)!))
      guard error <= HostError.Code.allCases.count, byteCount <= Int(SHARED_RUN_MESSAGE_BYTES) else {
        throw Self.lie("error \(error) in \(byteCount) bytes")
      }
      let start = UnsafeRawPointer(shared.run) + MemoryLayout<shared_run>.offset(of: \.message)!
      let text = Array(UnsafeRawBufferPointer(start: start, count: byteCount))
      throw HostError(Self.sayable(ControlMessages.code(error)), String(decoding: text, as: UTF8.self))
    }
    let count = Int(word(MemoryLayout<shared_run>.offset(of: \.output_count)!))
    guard count <= signature.outputs.count else { throw Self.lie("\(count) outputs") }
    for place in 0..<count { try takeShared(shared.layout.output(shared.run, place), shared, signature) }
    let expected = wantedCount == 0 ? signature.outputs.count : wantedCount
    guard outputs.count == expected else { throw Self.lie("\(outputs.count) outputs of \(expected)") }
    return runNs
  }

  /// Codes that a runner may give its callers; others would speak for the host.
  private static func sayable(_ code: HostError.Code) -> HostError.Code {
    switch code {
    case .invalidRequest, .notFound, .conflict, .unsupported, .cancelled, .overloaded, .deadlineExceeded,
      .incompatibleRunner, .notOffered:
      code
    default: .runnerFailed
    }
  }

  private static func lie(_ what: String) -> HostError {
    HostError(.internalError, "its process announced \(what), which can't be")
  }

  private func takeShared(
    _ output: UnsafeMutablePointer<shared_tensor>, _ shared: SharedRun, _ signature: ModelSignature
  ) throws(HostError) {
    let words = UnsafeMutableRawPointer(output).assumingMemoryBound(to: UInt32.self)
    let index = Int(shared_load(words))
    let type = ElementType(rawValue: Int32(bitPattern: shared_load(words + 1)))
    let rank = Int(shared_load(words + 2))
    let offset = shared_load64((UnsafeMutableRawPointer(output) + 16).assumingMemoryBound(to: UInt64.self))
    let size = shared_load64((UnsafeMutableRawPointer(output) + 24).assumingMemoryBound(to: UInt64.self))
    guard index < signature.outputs.count, isWanted(index), !outputs.contains(where: { $0.index == index }) else {
      throw Self.lie("output \(index)")
    }
    let spec = signature.outputs[index]
    guard type == spec.elementType, rank <= Self.maxRank else {
      throw Self.lie("another type or rank of '\(spec.name)'")
    }
    let shape = RunLayout.shape(output)
    let room = shapeRoom(ofOutput: index)
    for axis in 0..<rank {
      room[axis] = Int64(
        bitPattern: shared_load64(UnsafeMutableRawPointer(shape + axis).assumingMemoryBound(to: UInt64.self)))
    }
    guard let elements = TensorSize.elementCount(UnsafeBufferPointer(start: room, count: rank)),
      let byteCount = Int(exactly: size), size == 0 || shared.isGiven(offset, size)
    else { throw Self.lie("memory of '\(spec.name)' that it wasn't given") }
    guard byteCount <= outputByteLimit - takenBytes else {
      throw HostError(.overloaded, "the outputs exceed the limit of \(outputByteLimit) bytes")
    }
    var data = size == 0 ? UnsafeRawPointer(error) : UnsafeRawPointer(shared.arena.base + Int(offset))
    if spec.elementType == .utf8 && byteCount > 0 {
      // The counts in it will be followed: from here on nobody else may change them.
      guard let copy = TensorMemory.allocate(byteCount, limit: outputByteLimit) else { throw .outOfMemory }
      copy.pointee.data.copyMemory(from: data, byteCount: byteCount)
      data = UnsafeRawPointer(copy.pointee.data)
      append(Output(index: index, elementType: .utf8, rank: rank, data: data, byteCount: byteCount, buffer: copy))
    } else {
      append(
        Output(index: index, elementType: spec.elementType, rank: rank, data: data, byteCount: byteCount, buffer: nil))
    }
    guard isConsistent(spec.elementType, elements, UnsafeRawBufferPointer(start: data, count: byteCount)) else {
      throw Self.lie("'\(spec.name)' with \(byteCount) bytes, which its shape doesn't take")
    }
  }
}
