import Glibc
import Inference
import Routing
import Running
import Serving
import Wire

/// Reads the body of an infer request into a `RunRequest`: JSON, with tensors in it or in binary behind it.
///
/// Works in place on the body's bytes, in one pass where `data` stands behind `shape` and `datatype`, as clients send it.
struct InferRequestReader {
  private let served: ServedVersion
  private let scratch: InferScratch
  private let run: RunRequest
  private let json: UnsafeRawBufferPointer
  private let blobs: UnsafeRawBufferPointer
  /// Bytes of `blobs` that inputs have taken.
  private var blobPosition = 0
  private var reader: JSONReader

  /// - Parameter headerCount: Bytes of the JSON in front of the binary tensors.
  init(_ served: ServedVersion, _ scratch: InferScratch, body: UnsafeRawBufferPointer, headerCount: Int) {
    self.served = served
    self.scratch = scratch
    run = scratch.run
    json = UnsafeRawBufferPointer(rebasing: body[..<headerCount])
    blobs = UnsafeRawBufferPointer(rebasing: body[headerCount...])
    reader = JSONReader(json)
  }

  private func refuse(_ message: String) -> HostError { HostError(.invalidRequest, message) }

  /// - Throws: `.invalidRequest` that names the field and both values.
  mutating func read() throws(HostError) {
    do {
      try readRequest()
    } catch let error as HostError {
      throw error
    } catch {
      throw refuse("failed to parse the request JSON: \(error)")
    }
    guard blobPosition == blobs.count else {
      throw refuse("\(blobs.count) bytes follow the JSON header, the inputs' binary_data_size take \(blobPosition)")
    }
    for index in 0..<served.inputs.count where !run.hasInput(index) {
      throw refuse("input '\(served.inputs[index].name)' of model '\(served.model)' is missing; it wants \(inputNames)")
    }
  }

  private var inputNames: String { served.inputs.map { "'\($0.name)'" }.joined(separator: ", ") }

  private mutating func readRequest() throws {
    var hasInputs = false
    try reader.beginObject()
    while let key = try reader.nextKey() {
      if key.equals("inputs") {
        guard !hasInputs else { throw refuse("'inputs' appears twice") }
        hasInputs = true
        guard try reader.peek() == .array else { throw refuse("'inputs' must be a list") }
        try reader.beginArray()
        while try reader.nextElement() { try readInput() }
      } else if key.equals("outputs") {
        try readOutputs()
      } else if key.equals("id") {
        guard try reader.peek() == .string else { throw refuse("'id' must be a string") }
        let id = try reader.string()
        scratch.id = id.bytes.isEmpty ? nil : id.bytes
      } else if key.equals("parameters") {
        try readParameters()
      } else {
        try reader.skipValue()
      }
    }
    try reader.end()
    guard hasInputs else { throw refuse("'inputs' is missing") }
  }

  // MARK: Parameters

  private mutating func readParameters() throws {
    guard try reader.peek() == .object else { throw refuse("'parameters' must be an object") }
    try reader.beginObject()
    while let key = try reader.nextKey() {
      if key.equals("binary_data_output") {
        guard try reader.peek() == .bool else { throw refuse("parameter 'binary_data_output' must be true or false") }
        scratch.binaryByDefault = try reader.bool()
      } else if key.equals("timeout") {
        guard try reader.peek() == .number else { throw refuse("parameter 'timeout' must be microseconds") }
        scratch.timeoutMicros = try integer("timeout")
      } else if key.equals("device") {
        guard try reader.peek() == .string else {
          throw refuse("parameter 'device' must be a device kind such as \"cpu\"")
        }
        scratch.device = try reader.string().string
      } else {
        try readOtherParameter(key)
      }
    }
  }

  /// An integer parameter; its refusal names it and what stands there.
  @inline(__always)
  private mutating func integer<T: FixedWidthInteger>(_ name: StaticString) throws -> T {
    let start = reader.position
    do {
      return try reader.integer()
    } catch {
      reader.position = start
      let text = String(decoding: try reader.number().prefix(40), as: UTF8.self)
      throw refuse("parameter '\(name)' is \(text), an integer of \(T.min) to \(T.max) is wanted")
    }
  }

  private mutating func readOtherParameter(_ key: JSONText) throws {
    let name = key.string.excerpt
    if name.hasPrefix("triton_") { throw refuse("parameter '\(name)': names that begin with triton_ are reserved") }
    switch try reader.peek() {
    case .object, .array, .null:
      throw refuse("parameter '\(name)' has an invalid type; a string, number or boolean is wanted")
    case .string, .number, .bool: try reader.skipValue()
    }
  }

  // MARK: Inputs

  /// What has been read of one input object.
  private struct Input {
    var index: Int?
    var rank: Int?
    var type: ElementType?
    var dataPosition: Int?
    var isDataRead = false
    var binaryByteCount: Int?
  }

  private mutating func readInput() throws {
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

  private mutating func finish(
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

  private func inputIndex(_ text: JSONText) throws(HostError) -> Int {
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

  private mutating func readShape(
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

  private mutating func readType(_ input: Input) throws -> ElementType {
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

  private mutating func readInputParameters(_ input: inout Input) throws {
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

  private func place(
    _ dimensions: (Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64), _ rank: Int, _ index: Int
  ) {
    withUnsafeBytes(of: dimensions) {
      UnsafeMutableRawPointer(run.shape(ofInput: index)).copyMemory(from: $0.baseAddress!, byteCount: rank * 8)
    }
  }

  // MARK: Data

  /// Checks the shape against the model's, and counts its elements.
  private func elementCount(_ index: Int, _ rank: Int) throws(HostError) -> Int {
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

  private func checkType(_ index: Int, _ type: ElementType) throws(HostError) {
    let spec = served.inputs[index]
    guard type == spec.elementType else {
      throw refuse(
        "inference input '\(spec.name)' of model '\(served.model)' has datatype \(type.protocolName), "
          + "the model wants \(spec.elementType.protocolName)")
    }
  }

  /// Reads the `data` that the reader stands at.
  private mutating func readData(_ index: Int, _ rank: Int) throws {
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

  private func outOfMemory(_ byteCount: Int) -> HostError {
    HostError(.overloaded, "no memory for a tensor of \(byteCount) bytes; try again later")
  }

  private func setCopy(_ index: Int, _ rank: Int, _ bytes: UnsafeRawBufferPointer) throws(HostError) {
    guard let memory = run.arena.allocate(max(bytes.count, 1)) else { throw outOfMemory(bytes.count) }
    if let start = bytes.baseAddress { memory.copyMemory(from: start, byteCount: bytes.count) }
    run.setInput(index, rank: rank, data: memory, byteCount: bytes.count)
  }

  private mutating func setBinary(_ index: Int, _ rank: Int, _ bytes: UnsafeRawBufferPointer) throws(HostError) {
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
    } else {
      guard let found = TensorText.elementCount(in: bytes) else {
        throw refuse("input '\(spec.name)': a string of the binary data is cut off")
      }
      guard found == count else {
        throw refuse(
          "input '\(spec.name)': shape \(ShapeText.describe(shape)) takes \(count) strings, the data has \(found)")
      }
    }
    try setAligned(index, rank, bytes)
  }

  /// Uses `bytes` where they lie if a runner can, else a copy.
  private func setAligned(_ index: Int, _ rank: Int, _ bytes: UnsafeRawBufferPointer) throws(HostError) {
    let isBool = served.inputs[index].elementType == .bool
    if isBool && bytes.contains(where: { $0 > 1 }) {
      // Any byte but 0 means true on the wire; runners get 1.
      guard let memory = run.arena.allocate(bytes.count) else { throw outOfMemory(bytes.count) }
      for (offset, byte) in bytes.enumerated() {
        memory.storeBytes(of: byte == 0 ? 0 : 1, toByteOffset: offset, as: UInt8.self)
      }
      run.setInput(index, rank: rank, data: memory, byteCount: bytes.count)
    } else if let start = bytes.baseAddress, UInt(bitPattern: start) & 63 == 0 {
      run.setInput(index, rank: rank, data: start, byteCount: bytes.count)
    } else {
      try setCopy(index, rank, bytes)
    }
  }

  // MARK: Outputs

  private mutating func readOutputs() throws {
    if try reader.peek() == .null {
      try reader.null()
      return
    }
    guard try reader.peek() == .array else { throw refuse("'outputs' must be a list") }
    try reader.beginArray()
    while try reader.nextElement() {
      guard try reader.peek() == .object else { throw refuse("each of 'outputs' must be an object") }
      var index: Int?
      var wish = InferScratch.Wish(isListed: true)
      try reader.beginObject()
      while let key = try reader.nextKey() {
        if key.equals("name") {
          guard try reader.peek() == .string else { throw refuse("an output's 'name' must be a string") }
          index = try outputIndex(try reader.string())
        } else if key.equals("parameters") {
          try readOutputParameters(&wish)
        } else {
          try reader.skipValue()
        }
      }
      guard let index else { throw refuse("an output has no 'name'") }
      scratch.wishes[index] = wish
      run.want(output: index)
    }
  }

  private func outputIndex(_ text: JSONText) throws(HostError) -> Int {
    for (index, spec) in served.outputs.enumerated() {
      var name = spec.name
      if name.withUTF8({ text.equals(UnsafeRawBufferPointer($0)) }) {
        guard !scratch.wishes[index].isListed else {
          throw refuse("output '\(spec.name)' already exists in the request")
        }
        return index
      }
    }
    let names = served.outputs.map { "'\($0.name)'" }.joined(separator: ", ")
    throw refuse("unexpected inference output '\(text.string.excerpt)' for model '\(served.model)'; it has \(names)")
  }

  private mutating func readOutputParameters(_ wish: inout InferScratch.Wish) throws {
    guard try reader.peek() == .object else { throw refuse("an output's 'parameters' must be an object") }
    try reader.beginObject()
    while let key = try reader.nextKey() {
      if key.equals("binary_data") {
        guard try reader.peek() == .bool else { throw refuse("'binary_data' must be true or false") }
        wish.isBinary = try reader.bool()
      } else if key.equals("classification") {
        guard try reader.peek() == .number else { throw refuse("'classification' must be a number of classes") }
        let classes: Int = try integer("classification")
        guard classes >= 0 else { throw refuse("'classification' is \(classes), at least 0 is wanted") }
        wish.classes = classes
      } else if key.equals("shared_memory_region") {
        throw refuse("'shared_memory_region': shared memory is not offered by this server")
      } else {
        try readOtherParameter(key)
      }
    }
  }
}

extension InferRequestReader {
  /// Fills the only input of a model from a body that is nothing but its bytes (header length 0).
  mutating func readRaw() throws(HostError) {
    guard served.inputs.count == 1, let spec = served.inputs.first else {
      throw refuse("a raw body needs a model with one input, '\(served.model)' has \(served.inputs.count)")
    }
    let shape = run.shape(ofInput: 0)
    let unknown = spec.shape.filter { $0 < 0 }.count
    guard unknown <= 1 else {
      throw refuse(
        "a raw body can't tell the shape of '\(spec.name)': \(ShapeText.describe(spec.shape)) leaves \(unknown) open")
    }
    for (axis, dimension) in spec.shape.enumerated() { shape[axis] = dimension }
    guard let size = spec.elementType.byteCount else {
      try readRawText(spec, shape)
      return
    }
    let fixed = spec.shape.filter { $0 >= 0 }.reduce(Int64(size)) {
      $0.multipliedReportingOverflow(by: $1).partialValue
    }
    guard !blobs.isEmpty else { throw refuse("a raw request's body is its input's bytes; this one is empty") }
    guard fixed > 0, Int64(blobs.count) % fixed == 0, unknown == 1 || Int64(blobs.count) == fixed else {
      throw refuse(
        "input '\(spec.name)': \(blobs.count) bytes don't fill shape \(ShapeText.describe(spec.shape)) of \(spec.elementType.protocolName)"
      )
    }
    for axis in 0..<spec.shape.count where shape[axis] < 0 { shape[axis] = Int64(blobs.count) / fixed }
    try setAligned(0, spec.shape.count, blobs)
    scratch.binaryByDefault = true
  }

  /// One element, which the body is; runners want its length in front.
  private func readRawText(_ spec: TensorSpec, _ shape: UnsafeMutablePointer<Int64>) throws(HostError) {
    guard spec.shape.allSatisfy({ $0 == 1 || $0 == -1 }), blobs.count <= Int(UInt32.max) else {
      throw refuse("a raw body is one string, '\(spec.name)' wants \(ShapeText.describe(spec.shape))")
    }
    for axis in 0..<spec.shape.count { shape[axis] = 1 }
    scratch.text.removeAll()
    withUnsafeBytes(of: UInt32(blobs.count).littleEndian) { scratch.text.append($0) }
    scratch.text.append(blobs)
    try setCopy(0, spec.shape.count, scratch.text.bytes)
    scratch.binaryByDefault = true
  }
}
