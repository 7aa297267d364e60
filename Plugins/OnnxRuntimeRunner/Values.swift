import Glibc
import RunnerKit

extension ModelTensor {
  /// - Throws: `.invalidArgument` unless type, rank and fixed dimensions are those the model declares.
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

extension Engine {
  /// An engine's value of an input: over the host's memory, without a copy, but for text.
  ///
  /// - Parameter value: Released by the caller, also when this throws.
  func makeValue(_ tensor: ModelTensor, _ input: Input, _ value: inout OrtObject?) throws(RunnerError) {
    let shape = input.shape
    guard let size = tensor.type.byteCount else { return try makeTexts(tensor, input, &value) }
    guard let byteCount = tensorByteCount(shape, elementByteCount: size), byteCount == input.bytes.count else {
      throw RunnerError(
        .invalidArgument,
        "input \(String(cString: tensor.name)) has \(input.bytes.count) bytes; shape \(Array(shape)) needs another size"
      )
    }
    // A scalar may come without a shape, but the engine wants a pointer.
    try withDimensions(shape) { (dimensions) throws(RunnerError) in
      try api.check(
        api.tensorOverData(
          memory, UnsafeMutableRawPointer(mutating: input.bytes.baseAddress), byteCount, dimensions, shape.count,
          tensor.nativeType, &value))
    }
  }

  /// Copies text into strings of the engine. The host's form: a UInt32 byte count and the bytes, element by element.
  private func makeTexts(_ tensor: ModelTensor, _ input: Input, _ value: inout OrtObject?) throws(RunnerError) {
    let shape = input.shape
    let bytes = input.bytes
    let broken = "input \(String(cString: tensor.name)) ends within its text, at byte"
    // Each element takes 4 bytes at least, so a hostile shape is refused before memory is taken for it.
    guard let least = tensorByteCount(shape, elementByteCount: 4), least <= bytes.count else {
      throw RunnerError(.invalidArgument, "\(broken) \(bytes.count)")
    }
    try withDimensions(shape) { (dimensions) throws(RunnerError) in
      try api.check(api.allocateTensor(allocator, dimensions, shape.count, tensor.nativeType, &value))
    }
    guard let value else { return }
    var offset = 0
    for index in 0..<(least / 4) {
      guard bytes.count - offset >= 4 else { throw RunnerError(.invalidArgument, "\(broken) \(offset)") }
      let count = Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self).littleEndian)
      offset += 4
      guard count <= bytes.count - offset else { throw RunnerError(.invalidArgument, "\(broken) \(offset)") }
      var room: UnsafeMutableRawPointer?
      try api.check(api.stringBuffer(value, index, count, &room))
      if count > 0, let room, let base = bytes.baseAddress { memcpy(room, base + offset, count) }
      offset += count
    }
    guard offset == bytes.count else {
      throw RunnerError(
        .invalidArgument, "input \(String(cString: tensor.name)) has \(bytes.count - offset) bytes after its last text")
    }
  }

  /// Hands a value that the engine allocated to the host, which copies it.
  ///
  /// - Parameter note: Is told its shape.
  func emitCopy(
    _ tensor: ModelTensor, _ value: OrtObject, _ request: Request, note: (UnsafeBufferPointer<Int64>) -> Void
  ) throws(RunnerError) {
    let info = try api.make { api.typeAndShape(value, $0) }
    defer { api.releaseTensorInfo(info) }
    var rank = 0
    try api.check(api.rank(info, &rank))
    guard rank <= 8 else {
      throw RunnerError(
        .unsupported, "output \(String(cString: tensor.name)) has \(rank) dimensions; at most 8 are served")
    }
    var sizes: InlineArray<8, Int64> = .init(repeating: 0)
    try withUnsafeMutableBytes(of: &sizes) { (bytes) throws(RunnerError) in
      let all = bytes.assumingMemoryBound(to: Int64.self)
      try api.check(api.dimensions(info, all.baseAddress!, rank))
      let shape = UnsafeBufferPointer(start: UnsafePointer(all.baseAddress), count: rank)
      note(shape)
      guard let size = tensor.type.byteCount else { return try emitTexts(tensor, value, shape, request) }
      guard let byteCount = tensorByteCount(shape, elementByteCount: size) else {
        throw RunnerError(.internal, "output \(String(cString: tensor.name)) has the impossible shape \(Array(shape))")
      }
      var data: UnsafeMutableRawPointer?
      try api.check(api.tensorData(value, &data))
      // An empty tensor may have no memory, but the host wants a pointer.
      let start = data ?? UnsafeMutableRawPointer(all.baseAddress!)
      try request.emit(tensor.name, tensor.type, shape, data: UnsafeRawBufferPointer(start: start, count: byteCount))
    }
  }

  /// Writes text in the host's form into the host's memory, which needs no other copy.
  private func emitTexts(
    _ tensor: ModelTensor, _ value: OrtObject, _ shape: UnsafeBufferPointer<Int64>, _ request: Request
  ) throws(RunnerError) {
    var textByteCount = 0
    try api.check(api.stringsByteCount(value, &textByteCount))
    guard let countsByteCount = tensorByteCount(shape, elementByteCount: 4) else {
      throw RunnerError(.internal, "output \(String(cString: tensor.name)) has the impossible shape \(Array(shape))")
    }
    let count = countsByteCount / 4
    let buffer = try request.allocate(byteCount: max(countsByteCount + textByteCount, 1))
    let offsets = UnsafeMutablePointer<Int>.allocate(capacity: count + 1)
    defer { offsets.deallocate() }
    offsets[count] = textByteCount
    let base = buffer.bytes.baseAddress!
    // All texts go to the end of the buffer, then each moves forward to behind its byte count: never past its source.
    if count > 0 {
      try api.check(api.stringsContent(value, base + countsByteCount, textByteCount, offsets, count))
    }
    for index in 0..<count {
      let size = offsets[index + 1] - offsets[index]
      let place = base + offsets[index] + 4 * index
      guard let written = UInt32(exactly: size) else {
        throw RunnerError(.unsupported, "a text of \(size) bytes is too long for an output")
      }
      place.storeBytes(of: written.littleEndian, as: UInt32.self)
      memmove(place + 4, base + countsByteCount + offsets[index], size)
    }
    try request.emit(
      tensor.name, tensor.type, shape, buffer: buffer, byteCount: countsByteCount + textByteCount)
  }

  private func withDimensions(
    _ shape: UnsafeBufferPointer<Int64>, _ body: (UnsafePointer<Int64>) throws(RunnerError) -> Void
  ) throws(RunnerError) {
    if let start = shape.baseAddress { return try body(start) }
    let none: Int64 = 0
    try withUnsafePointer(to: none) { (pointer) throws(RunnerError) in try body(pointer) }
  }
}
