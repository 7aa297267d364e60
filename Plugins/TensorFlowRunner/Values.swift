import Glibc
import RunnerKit

extension ModelTensor {
  /// - Throws: `.invalidArgument` unless type, rank and fixed dimensions are those the model declares. The engine itself
  ///   takes any shape of the right number of elements, or none at all.
  func check(_ input: Input) throws(RunnerError) {
    guard input.type == type else {
      let found = input.type.map { "\($0)" } ?? "of an unknown type"
      throw RunnerError(.invalidArgument, "input \(String(cString: name)) is \(found); the model wants \(type)")
    }
    guard hasRank else { return }
    let given = input.shape
    var fits = given.count == shape.count
    for place in 0..<min(given.count, shape.count) where shape[place] >= 0 && shape[place] != given[place] {
      fits = false
    }
    guard fits else {
      throw RunnerError(
        .invalidArgument, "input \(String(cString: name)) has shape \(Array(given)); the model wants \(shape)")
    }
  }
}

/// A string in a tensor.
private let stringByteCount = 24
/// Of tensors: what isn't aligned to it, TensorFlow copies.
private let alignment = 64

extension Engine {
  /// A tensor with an input's elements.
  ///
  /// - Parameter slot: Lends the caller's memory, without a copy; with nil it is copied. Text always is.
  /// - Returns: To be deleted by the caller.
  func makeTensor(_ tensor: ModelTensor, _ input: Input, lentBy slot: RunSlot?) throws(RunnerError) -> TFObject {
    guard let size = tensor.type.byteCount else { return try makeTexts(tensor, input) }
    let byteCount = try checkedByteCount(tensor, input.shape, elementByteCount: size)
    guard byteCount == input.bytes.count else {
      throw RunnerError(
        .invalidArgument,
        "input \(String(cString: tensor.name)) has \(input.bytes.count) bytes; shape \(Array(input.shape)) needs "
          + "\(byteCount)")
    }
    if let slot {
      let memory = UnsafeMutableRawPointer(mutating: input.bytes.baseAddress)
      return try newTensor(tensor, input, memory, byteCount, RunSlot.giveBack, slot.lend())
    }
    let memory = try allocate(byteCount)
    if byteCount > 0 { memory.copyMemory(from: input.bytes.baseAddress!, byteCount: byteCount) }
    return try newTensor(tensor, input, memory, byteCount, freeMemory, nil)
  }

  /// Copies text into strings of the engine. The host's form: a UInt32 byte count and the bytes, element by element.
  private func makeTexts(_ tensor: ModelTensor, _ input: Input) throws(RunnerError) -> TFObject {
    let bytes = input.bytes
    let broken = "input \(String(cString: tensor.name)) ends within its text, at byte"
    // Each element takes 4 bytes at least, so a hostile shape is refused before memory is taken for it.
    let byteCount = try checkedByteCount(tensor, input.shape, elementByteCount: stringByteCount)
    let count = byteCount / stringByteCount
    guard count <= bytes.count / 4 else { throw RunnerError(.invalidArgument, "\(broken) \(bytes.count)") }
    var sizes = 0
    for _ in 0..<count {
      guard bytes.count - sizes >= 4 else { throw RunnerError(.invalidArgument, "\(broken) \(sizes)") }
      let size = Int(bytes.loadUnaligned(fromByteOffset: sizes, as: UInt32.self).littleEndian)
      guard size <= bytes.count - sizes - 4 else { throw RunnerError(.invalidArgument, "\(broken) \(sizes + 4)") }
      sizes += 4 + size
    }
    guard sizes == bytes.count else {
      throw RunnerError(
        .invalidArgument, "input \(String(cString: tensor.name)) has \(bytes.count - sizes) bytes after its last text")
    }

    let strings = try allocate(byteCount)
    var offset = 0
    for index in 0..<count {
      let size = Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self).littleEndian)
      let string = strings + index * stringByteCount
      api.initString(string)
      api.copyString(string, bytes.baseAddress! + offset + 4, size)
      offset += 4 + size
    }
    // The strings go when the engine is done with them, which needn't be when the run ends.
    return try newTensor(
      tensor, input, strings, byteCount, freeStrings, unsafeBitCast(api.freeString, to: UnsafeMutableRawPointer.self))
  }

  /// - Parameter release: Called once with `context`, also when no tensor was made.
  private func newTensor(
    _ tensor: ModelTensor, _ input: Input, _ memory: UnsafeMutableRawPointer?, _ byteCount: Int,
    _ release: TensorFlowAPI.Deallocator, _ context: UnsafeMutableRawPointer?
  ) throws(RunnerError) -> TFObject {
    let shape = input.shape
    let made = api.newTensor(
      tensor.nativeType, shape.baseAddress, Int32(shape.count), memory, byteCount, release, context)
    guard let made else { throw Engine.outOfMemory }
    return made
  }

  private func allocate(_ byteCount: Int) throws(RunnerError) -> UnsafeMutableRawPointer {
    var memory: UnsafeMutableRawPointer?
    guard posix_memalign(&memory, alignment, max(byteCount, 1)) == 0, let memory else { throw Engine.outOfMemory }
    return memory
  }

  /// Bytes of a dense tensor of this shape.
  ///
  /// - Throws: `.invalidArgument` for what would end the process in TensorFlow: a negative dimension, and an overflow
  ///   of the dimensions' product, also where another dimension is 0.
  private func checkedByteCount(
    _ tensor: ModelTensor, _ shape: UnsafeBufferPointer<Int64>, elementByteCount: Int
  ) throws(RunnerError) -> Int {
    var product = elementByteCount
    for dimension in shape {
      let (next, overflow) = product.multipliedReportingOverflow(by: max(Int(dimension), 1))
      guard dimension >= 0, !overflow else {
        throw RunnerError(
          .invalidArgument, "input \(String(cString: tensor.name)) has the impossible shape \(Array(shape))")
      }
      product = next
    }
    return shape.contains(0) ? 0 : product
  }

  /// Hands an output to the host, which copies it: the engine has its own memory for outputs.
  func emit(_ tensor: ModelTensor, _ value: TFObject, _ request: Request) throws(RunnerError) {
    let rank = Int(api.rank(value))
    guard (0...8).contains(rank) else {
      throw RunnerError(
        .unsupported, "output \(String(cString: tensor.name)) has \(rank) dimensions; at most 8 are served")
    }
    guard api.tensorType(value) == tensor.nativeType else {
      throw RunnerError(.internal, "output \(String(cString: tensor.name)) is of another type than its signature says")
    }
    var sizes: InlineArray<8, Int64> = .init(repeating: 0)
    for axis in 0..<rank { sizes[axis] = api.dimension(value, Int32(axis)) }
    let byteCount = api.byteCount(value)
    let data = api.data(value)
    try withUnsafeBytes(of: &sizes) { (bytes) throws(RunnerError) in
      let all = bytes.assumingMemoryBound(to: Int64.self)
      let shape = UnsafeBufferPointer(start: all.baseAddress, count: rank)
      guard let size = tensorByteCount(shape, elementByteCount: tensor.type.byteCount ?? stringByteCount),
        size == byteCount, size == 0 || data != nil
      else {
        throw RunnerError(
          .internal, "output \(String(cString: tensor.name)) has \(byteCount) bytes for the shape \(Array(shape))")
      }
      // An empty tensor may have no memory, but the host wants a pointer.
      let content = UnsafeRawBufferPointer(
        start: data ?? UnsafeMutableRawPointer(mutating: bytes.baseAddress!), count: size)
      guard tensor.type == .utf8 else { return try request.emit(tensor.name, tensor.type, shape, data: content) }
      try emitTexts(tensor, content, shape, request)
    }
  }

  /// Writes text in the host's form into the host's memory, which needs no other copy.
  private func emitTexts(
    _ tensor: ModelTensor, _ strings: UnsafeRawBufferPointer, _ shape: UnsafeBufferPointer<Int64>, _ request: Request
  ) throws(RunnerError) {
    var byteCount = 0
    for place in stride(from: 0, to: strings.count, by: stringByteCount) {
      let size = api.stringByteCount(strings.baseAddress! + place)
      guard UInt32(exactly: size) != nil else {
        throw RunnerError(.unsupported, "a text of \(size) bytes is too long for an output")
      }
      byteCount += 4 + size
    }
    let buffer = try request.allocate(byteCount: max(byteCount, 1))
    var room = buffer.bytes.baseAddress!
    for place in stride(from: 0, to: strings.count, by: stringByteCount) {
      let string = strings.baseAddress! + place
      let size = api.stringByteCount(string)
      room.storeBytes(of: UInt32(truncatingIfNeeded: size).littleEndian, as: UInt32.self)
      if size > 0, let text = api.stringBytes(string) { (room + 4).copyMemory(from: text, byteCount: size) }
      room += 4 + size
    }
    try request.emit(tensor.name, tensor.type, shape, buffer: buffer, byteCount: byteCount)
  }
}

private let freeMemory: TensorFlowAPI.Deallocator = { memory, _, _ in free(memory) }

private let freeStrings: TensorFlowAPI.Deallocator = { memory, byteCount, freeString in
  guard let memory, let freeString else { return }
  let freeOne = unsafeBitCast(freeString, to: (@convention(c) (UnsafeMutableRawPointer) -> Void).self)
  for place in stride(from: 0, to: byteCount, by: stringByteCount) { freeOne(memory + place) }
  free(memory)
}
