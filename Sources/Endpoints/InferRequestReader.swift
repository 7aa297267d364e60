import Inference
import Routing
import Running
import Wire

/// Reads the body of an infer request into a `RunRequest`: JSON, with tensors in it or in binary behind it.
///
/// Works in place on the body's bytes, in one pass where `data` stands behind `shape` and `datatype`, as clients send it.
struct InferRequestReader {
  let served: ServedVersion
  let scratch: InferScratch
  let run: RunRequest
  let json: UnsafeRawBufferPointer
  let blobs: UnsafeRawBufferPointer
  /// `blobs` lie in memory that a runner's process may write.
  let blobsAreShared: Bool
  /// Bytes of `blobs` that inputs have taken.
  var blobPosition = 0
  var reader: JSONReader

  /// - Parameters:
  ///   - json: In memory of the host's own: it is read more than once.
  ///   - blobs: The binary tensors behind it.
  init(
    _ served: ServedVersion, _ scratch: InferScratch, json: UnsafeRawBufferPointer, blobs: UnsafeRawBufferPointer,
    blobsAreShared: Bool
  ) {
    self.served = served
    self.scratch = scratch
    run = scratch.run
    self.json = json
    self.blobs = blobs
    self.blobsAreShared = blobsAreShared
    reader = JSONReader(json)
  }

  func refuse(_ message: String) -> HostError { HostError(.invalidRequest, message) }

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

  var inputNames: String { served.inputs.map { "'\($0.name)'" }.joined(separator: ", ") }

  mutating func readRequest() throws {
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

  mutating func readParameters() throws {
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
  mutating func integer<T: FixedWidthInteger>(_ name: StaticString) throws -> T {
    let start = reader.position
    do {
      return try reader.integer()
    } catch {
      reader.position = start
      let text = String(decoding: try reader.number().prefix(40), as: UTF8.self)
      throw refuse("parameter '\(name)' is \(text), an integer of \(T.min) to \(T.max) is wanted")
    }
  }

  mutating func readOtherParameter(_ key: JSONText) throws {
    let name = key.string.excerpt
    if name.hasPrefix("triton_") { throw refuse("parameter '\(name)': names that begin with triton_ are reserved") }
    switch try reader.peek() {
    case .object, .array, .null:
      throw refuse("parameter '\(name)' has an invalid type; a string, number or boolean is wanted")
    case .string, .number, .bool: try reader.skipValue()
    }
  }

  // MARK: Outputs

  mutating func readOutputs() throws {
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

  func outputIndex(_ text: JSONText) throws(HostError) -> Int {
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

  mutating func readOutputParameters(_ wish: inout InferScratch.Wish) throws {
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
