import Inference
import Routing
import Running
import Wire

/// The members of one input object: name, shape, datatype, parameters, and where its data is.
extension InferRequestReader {
  /// What has been read of one input object.
  struct Input {
    var index: Int?
    var rank: Int?
    var type: ElementType?
    var dataPosition: Int?
    var isDataRead = false
    var binaryByteCount: Int?
  }

  mutating func readInput() throws {
    var input = Input()
    // The shape may come before the name that says where it belongs.
    var dimensions: (Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64) = (0, 0, 0, 0, 0, 0, 0, 0)
    guard try reader.peek() == .object else { throw refuse("each of 'inputs' must be an object") }
    try reader.beginObject()
    while let key = try reader.nextKey() {
      if key.equals("name") {
        guard try reader.peek() == .string else { throw refuse("an input's 'name' must be a string") }
        input.index = try inputIndex(try reader.string())
      } else if key.equals("shape") {
        input.rank = try readShape(&dimensions, input)
      } else if key.equals("datatype") {
        input.type = try readType(input)
      } else if key.equals("parameters") {
        try readInputParameters(&input)
      } else if key.equals("data") {
        if try reader.peek() == .null {
          try reader.null()
        } else if let index = input.index, let rank = input.rank, let type = input.type {
          try checkType(index, type)
          place(dimensions, rank, index)
          try readData(index, rank)
          input.isDataRead = true
        } else {
          input.dataPosition = reader.position
          try reader.skipValue()
        }
      } else {
        try reader.skipValue()
      }
    }
    try finish(input, dimensions)
  }

  mutating func finish(
    _ input: Input, _ dimensions: (Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64)
  ) throws {
    guard let index = input.index else { throw refuse("an input has no 'name'") }
    let name = served.inputs[index].name
    guard let rank = input.rank else { throw refuse("input '\(name)' has no 'shape'") }
    guard let type = input.type else { throw refuse("input '\(name)' has no 'datatype'") }
    try checkType(index, type)
    if input.isDataRead || input.dataPosition != nil {
      guard input.binaryByteCount == nil else { throw refuse("input '\(name)' has both 'data' and 'binary_data_size'") }
    }
    if input.isDataRead { return }
    place(dimensions, rank, index)
    if let position = input.dataPosition {
      let behind = reader.position
      reader.position = position
      try readData(index, rank)
      reader.position = behind
    } else if let byteCount = input.binaryByteCount {
      guard byteCount <= blobs.count - blobPosition else {
        throw refuse(
          "input '\(name)': binary_data_size is \(byteCount), \(blobs.count - blobPosition) bytes are left in the body")
      }
      let bytes = UnsafeRawBufferPointer(rebasing: blobs[blobPosition..<blobPosition + byteCount])
      blobPosition += byteCount
      try setBinary(index, rank, bytes)
    } else {
      throw refuse("input '\(name)' needs 'data' or the parameter 'binary_data_size'")
    }
  }

  func inputIndex(_ text: JSONText) throws(HostError) -> Int {
    for (index, spec) in served.inputs.enumerated() {
      var name = spec.name
      if name.withUTF8({ text.equals(UnsafeRawBufferPointer($0)) }) {
        guard !run.hasInput(index) else { throw refuse("input '\(spec.name)' already exists in the request") }
        return index
      }
    }
    throw refuse(
      "unexpected inference input '\(text.string.excerpt)' for model '\(served.model)'; it wants \(inputNames)")
  }

  mutating func readShape(
    _ dimensions: inout (Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64), _ input: Input
  ) throws -> Int {
    func label() -> String { input.index.map { "input '\(served.inputs[$0].name)'" } ?? "an input" }
    guard try reader.peek() == .array else { throw refuse("\(label()): 'shape' must be a list of integers") }
    var rank = 0
    try reader.beginArray()
    while try reader.nextElement() {
      guard rank < RunRequest.maxRank else {
        throw refuse("\(label()): 'shape' has more than \(RunRequest.maxRank) dimensions")
      }
      let at = reader.position
      do {
        let dimension: Int64 = try reader.integer()
        guard dimension >= 0 else { throw refuse("\(label()): 'shape' has the negative dimension \(dimension)") }
        withUnsafeMutableBytes(of: &dimensions) { $0.storeBytes(of: dimension, toByteOffset: rank * 8, as: Int64.self) }
      } catch let error as JSONError {
        throw refuse("\(label()): 'shape' must be a list of integers (\(error.message) at byte \(at))")
      }
      rank += 1
    }
    return rank
  }

  mutating func readType(_ input: Input) throws -> ElementType {
    func label() -> String { input.index.map { "input '\(served.inputs[$0].name)'" } ?? "an input" }
    guard try reader.peek() == .string else { throw refuse("\(label()): 'datatype' must be a string") }
    let text = try reader.string()
    var decoded = text.hasEscapes ? text.string : ""
    let known =
      text.hasEscapes
      ? decoded.withUTF8 { ElementType(protocolName: UnsafeRawBufferPointer($0)) }
      : ElementType(protocolName: text.bytes)
    guard let type = known else {
      throw refuse(
        "\(label()): invalid datatype '\(text.string.excerpt)'; BOOL, UINT8 to FP64, BF16 and BYTES are known")
    }
    return type
  }

  mutating func readInputParameters(_ input: inout Input) throws {
    guard try reader.peek() == .object else { throw refuse("an input's 'parameters' must be an object") }
    try reader.beginObject()
    while let key = try reader.nextKey() {
      if key.equals("binary_data_size") {
        guard try reader.peek() == .number else { throw refuse("'binary_data_size' must be a number of bytes") }
        let size: Int = try integer("binary_data_size")
        guard size >= 0 else { throw refuse("'binary_data_size' is \(size)") }
        input.binaryByteCount = size
      } else if key.equals("shared_memory_region") {
        throw refuse("'shared_memory_region': shared memory is not offered by this server")
      } else {
        try readOtherParameter(key)
      }
    }
  }

  func place(
    _ dimensions: (Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64), _ rank: Int, _ index: Int
  ) {
    withUnsafeBytes(of: dimensions) {
      UnsafeMutableRawPointer(run.shape(ofInput: index)).copyMemory(from: $0.baseAddress!, byteCount: rank * 8)
    }
  }
}
