import Inference
import Routing
import Running
import Wire

/// A tensor's elements, from JSON or from the bytes behind it.
extension InferRequestReader {
  /// Checks the shape against the model's, and counts its elements.
  func elementCount(_ index: Int, _ rank: Int) throws(HostError) -> Int {
    let spec = served.inputs[index]
    let shape = UnsafeBufferPointer(start: run.shape(ofInput: index), count: rank)
    var fits = rank == spec.shape.count
    if fits { for axis in 0..<rank where spec.shape[axis] >= 0 && spec.shape[axis] != shape[axis] { fits = false } }
    guard fits else {
      throw refuse(
        "unexpected shape for input '\(spec.name)' of model '\(served.model)': "
          + "it wants \(ShapeText.describe(spec.shape)), got \(ShapeText.describe(shape))")
    }
    guard let count = TensorSize.elementCount(shape) else {
      throw refuse("input '\(spec.name)': shape \(ShapeText.describe(shape)) has too many elements")
    }
    return count
  }

  func checkType(_ index: Int, _ type: ElementType) throws(HostError) {
    let spec = served.inputs[index]
    guard type == spec.elementType else {
      throw refuse(
        "inference input '\(spec.name)' of model '\(served.model)' has datatype \(type.protocolName), "
          + "the model wants \(spec.elementType.protocolName)")
    }
  }

  /// Reads the `data` that the reader stands at.
  mutating func readData(_ index: Int, _ rank: Int) throws {
    let spec = served.inputs[index]
    let count = try elementCount(index, rank)
    // Every element takes a character and a comma: no memory for more than the text can hold.
    guard count <= json.count else {
      throw refuse("input '\(spec.name)': \(count) elements can't stand in \(json.count) bytes of JSON")
    }
    let shape = UnsafeBufferPointer(start: run.shape(ofInput: index), count: rank)
    var tensor = TensorReader(name: spec.name, type: spec.elementType, shape: shape, elementCount: count)
    if spec.elementType == .utf8 {
      scratch.text.removeAll()
      try tensor.read(&reader, textsInto: scratch.text)
      try setCopy(index, rank, scratch.text.bytes)
    } else {
      let byteCount = count * (spec.elementType.byteCount ?? 1)
      guard let memory = run.arena.allocate(max(byteCount, 1)) else { throw outOfMemory(byteCount) }
      try tensor.read(&reader, numbersInto: memory)
      run.setInput(index, rank: rank, data: memory, byteCount: byteCount)
    }
  }

  func outOfMemory(_ byteCount: Int) -> HostError {
    HostError(.overloaded, "no memory for a tensor of \(byteCount) bytes; try again later")
  }

  func setCopy(_ index: Int, _ rank: Int, _ bytes: UnsafeRawBufferPointer) throws(HostError) {
    guard let memory = run.arena.allocate(max(bytes.count, 1)) else { throw outOfMemory(bytes.count) }
    if let start = bytes.baseAddress { memory.copyMemory(from: start, byteCount: bytes.count) }
    run.setInput(index, rank: rank, data: memory, byteCount: bytes.count)
  }

  mutating func setBinary(_ index: Int, _ rank: Int, _ bytes: UnsafeRawBufferPointer) throws(HostError) {
    let spec = served.inputs[index]
    let count = try elementCount(index, rank)
    let shape = UnsafeBufferPointer(start: run.shape(ofInput: index), count: rank)
    if let size = spec.elementType.byteCount {
      let (wanted, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow, wanted == bytes.count else {
        throw refuse(
          "input '\(spec.name)': shape \(ShapeText.describe(shape)) of \(spec.elementType.protocolName) takes "
            + "\(overflow ? "too many" : String(wanted)) bytes, binary_data_size is \(bytes.count)")
      }
    }
    let used = try setAligned(index, rank, bytes)
    guard spec.elementType == .utf8 else { return }
    // Of what will be used: in memory that is shared, the bytes that it was copied from may change.
    guard let found = TensorText.elementCount(in: used) else {
      throw refuse("input '\(spec.name)': a string of the binary data is cut off")
    }
    guard found == count else {
      throw refuse(
        "input '\(spec.name)': shape \(ShapeText.describe(shape)) takes \(count) strings, the data has \(found)")
    }
  }

  /// Uses `bytes` where they lie if a runner can, else a copy.
  ///
  /// - Returns: What is used.
  @discardableResult
  func setAligned(
    _ index: Int, _ rank: Int, _ bytes: UnsafeRawBufferPointer
  ) throws(HostError) -> UnsafeRawBufferPointer {
    // Any byte but 0 means true on the wire; runners get 1.
    let isBool = served.inputs[index].elementType == .bool
    if let start = bytes.baseAddress, run.canRead(start, bytes.count, isShared: blobsAreShared),
      !isBool || !bytes.contains(where: { $0 > 1 })
    {
      run.setInput(index, rank: rank, data: start, byteCount: bytes.count)
      return bytes
    }
    guard let memory = run.arena.allocate(max(bytes.count, 1)) else { throw outOfMemory(bytes.count) }
    if isBool {
      for (offset, byte) in bytes.enumerated() {
        memory.storeBytes(of: byte == 0 ? 0 : 1, toByteOffset: offset, as: UInt8.self)
      }
    } else if let start = bytes.baseAddress {
      memory.copyMemory(from: start, byteCount: bytes.count)
    }
    run.setInput(index, rank: rank, data: memory, byteCount: bytes.count)
    return UnsafeRawBufferPointer(start: memory, count: bytes.count)
  }
}
