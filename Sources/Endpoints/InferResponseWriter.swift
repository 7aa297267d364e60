import Glibc
import Inference
import Routing
import Running
import Serving
import Wire

/// Writes the answer to an infer request: JSON with the tensors in it, or in binary behind it.
struct InferResponseWriter {
  private let served: ServedVersion
  private let scratch: InferScratch
  private let exchange: Exchange
  private let out: ByteBuffer

  /// Larger binary outputs leave from where the runner put them; copying a smaller one is cheaper than another segment.
  private static let copyLimit = 8 * 1024

  init(_ served: ServedVersion, _ scratch: InferScratch, _ exchange: Exchange) {
    self.served = served
    self.scratch = scratch
    self.exchange = exchange
    out = exchange.out
  }

  /// - Throws: `.invalidRequest` for an output that has no JSON form, or can't be classified.
  func write() throws(HostError) {
    exchange.isCompressible = true
    out.append("{")
    if let id = scratch.id {
      out.append("\"id\":\"")
      out.append(id)
      out.append("\",")
    }
    out.append("\"model_name\":")
    out.append(json: served.model)
    out.append(",\"model_version\":\"")
    out.append(served.version)
    out.append("\",\"outputs\":[")
    var isFirst = true
    var blobBytes = 0
    // In the model's order, whatever order the runner emitted them in.
    for index in 0..<served.outputs.count {
      guard let output = scratch.run.outputs.first(where: { $0.index == index }) else { continue }
      if !isFirst { out.append(UInt8(ascii: ",")) }
      isFirst = false
      blobBytes += try write(output)
    }
    out.append("]}")
    guard blobBytes > 0 else { return }
    exchange.setStatus(200, contentType: "application/octet-stream")
    exchange.addHeader("Inference-Header-Content-Length", exchange.bodyCount)
    appendBlobs()
  }

  /// Writes one output's JSON.
  ///
  /// - Returns: The bytes that follow the JSON for it.
  private func write(_ output: RunRequest.Output) throws(HostError) -> Int {
    let spec = served.outputs[output.index]
    let shape = scratch.run.shape(of: output)
    let classes = scratch.wishes[output.index].classes
    out.append("{\"name\":")
    out.append(json: spec.name)
    if classes > 0 { return try writeClasses(output, shape, classes) }
    out.append(",\"datatype\":\"")
    out.append(output.elementType.protocolName)
    out.append("\",\"shape\":[")
    for (axis, dimension) in shape.enumerated() {
      if axis > 0 { out.append(UInt8(ascii: ",")) }
      out.append(decimal: dimension)
    }
    if scratch.isBinary(output.index) {
      out.append("],\"parameters\":{\"binary_data_size\":")
      out.append(decimal: output.byteCount)
      out.append("}}")
      return output.byteCount
    }
    out.append("],\"data\":[")
    try writeData(output, named: spec.name)
    out.append("]}")
    return 0
  }

  private func appendBlobs() {
    var isCopying = true
    for index in 0..<served.outputs.count where scratch.isBinary(index) {
      guard let output = scratch.run.outputs.first(where: { $0.index == index }) else { continue }
      var data = output.data
      var byteCount = output.byteCount
      if scratch.wishes[index].classes > 0 {
        let texts = scratch.wishes[index].classTexts
        data = UnsafeRawPointer(scratch.text.base + texts.lowerBound)
        byteCount = texts.count
      }
      if byteCount == 0 { continue }
      // Segments follow `out`: once one has begun, nothing may go to `out` any more.
      isCopying = isCopying && byteCount <= Self.copyLimit
      if isCopying {
        out.append(data, byteCount)
      } else {
        exchange.appendUncopied(data, byteCount)
      }
    }
  }

  // MARK: Data as JSON

  private func writeData(_ output: RunRequest.Output, named name: String) throws(HostError) {
    switch output.elementType {
    case .f16, .bf16:
      throw HostError(
        .invalidRequest,
        "output '\(name)': \(output.elementType.protocolName) has no JSON form; ask for it with \"binary_data\": true")
    case .utf8: try writeTexts(output, named: name)
    default:
      if let format = NumberFormat(output.elementType) {
        out.append(numbers: output.data, count: output.byteCount / format.byteCount, as: format)
      }
    }
  }

  private func writeTexts(_ output: RunRequest.Output, named name: String) throws(HostError) {
    var position = 0
    while position < output.byteCount {
      let length = Int(UInt32(littleEndian: output.data.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
      let bytes = UnsafeRawBufferPointer(start: output.data + position + 4, count: length)
      guard String(validating: bytes, as: UTF8.self) != nil else {
        throw HostError(
          .invalidRequest, "output '\(name)' is not UTF-8 and has no JSON form; ask for it with \"binary_data\": true")
      }
      if position > 0 { out.append(UInt8(ascii: ",")) }
      out.append(json: bytes)
      position += 4 + length
    }
  }

  // MARK: Classification

  /// Writes the `classes` highest elements as `value:index:label`. Protocol extension "classification".
  ///
  /// - Returns: The bytes that follow the JSON for it; they wait in `scratch.text`, whose input texts have been copied.
  private func writeClasses(
    _ output: RunRequest.Output, _ shape: UnsafeBufferPointer<Int64>, _ classes: Int
  ) throws(HostError) -> Int {
    let name = served.outputs[output.index].name
    let count = TensorSize.elementCount(shape) ?? 0
    try Classification.check(output, count: count, named: name)
    // A leading dimension that the model leaves open is the batch.
    let isBatched = shape.count > 1 && served.outputs[output.index].shape.first == -1
    let batches = isBatched ? Int(shape[0]) : 1
    let each = batches == 0 ? 0 : count / batches
    let top = min(classes, each)
    out.append(",\"datatype\":\"BYTES\",\"shape\":[")
    if isBatched {
      out.append(decimal: batches)
      out.append(UInt8(ascii: ","))
    }
    out.append(decimal: top)
    let isBinary = scratch.isBinary(output.index)
    let texts = scratch.text
    if scratch.classTextsEnd == 0 { texts.removeAll() }
    let start = texts.count
    out.append(isBinary ? "],\"parameters\":{\"binary_data_size\":" : "],\"data\":[")
    let labels = served.labels[output.index]
    // Without classes there is nothing to walk through, however long the shape says the batch is.
    for batch in 0..<(top == 0 ? 0 : batches) {
      let row = Classification.top(top, of: output, from: batch * each, count: each)
      for (rank, place) in row.enumerated() {
        let label = labels.indices.contains(place.index) ? ":\(labels[place.index])" : ""
        let text = "\(place.value):\(place.index)\(label)"
        if isBinary {
          withUnsafeBytes(of: UInt32(text.utf8.count).littleEndian) { texts.append($0) }
          texts.append(text)
        } else {
          if rank > 0 || batch > 0 { out.append(UInt8(ascii: ",")) }
          out.append(json: text)
        }
      }
    }
    guard isBinary else {
      out.append("]}")
      return 0
    }
    scratch.wishes[output.index].classTexts = start..<texts.count
    scratch.classTextsEnd = texts.count
    out.append(decimal: texts.count - start)
    out.append("}}")
    return texts.count - start
  }
}

/// The highest elements of a tensor.
enum Classification {
  struct Place {
    let index: Int
    /// As C's `to_string` writes it: integers plain, floats with six decimals.
    let value: String
  }

  /// Elements beyond this many are refused: sorting them would hold up the loop.
  static let elementLimit = 1_000_000

  /// - Throws: `.invalidRequest` for types without an order, and for more elements than are ranked.
  static func check(_ output: RunRequest.Output, count: Int, named name: String) throws(HostError) {
    switch output.elementType {
    case .bool, .f16, .bf16, .utf8:
      throw HostError(.invalidRequest, "output '\(name)' is \(output.elementType.protocolName) and can't be classified")
    default: break
    }
    guard count <= elementLimit else {
      throw HostError(.invalidRequest, "output '\(name)' has \(count) elements, at most \(elementLimit) are ranked")
    }
  }

  /// The `top` highest of `count` elements, highest first; equals in order of their index. NaN is lowest.
  static func top(_ top: Int, of output: RunRequest.Output, from start: Int, count: Int) -> [Place] {
    switch output.elementType {
    case .f32: return floats(output, Float.self, top, start, count)
    case .f64: return floats(output, Double.self, top, start, count)
    case .i8: return integers(output, Int8.self, top, start, count)
    case .i16: return integers(output, Int16.self, top, start, count)
    case .i32: return integers(output, Int32.self, top, start, count)
    case .i64: return integers(output, Int64.self, top, start, count)
    case .u8: return integers(output, UInt8.self, top, start, count)
    case .u16: return integers(output, UInt16.self, top, start, count)
    case .u32: return integers(output, UInt32.self, top, start, count)
    case .u64: return integers(output, UInt64.self, top, start, count)
    case .bool, .f16, .bf16, .utf8: return []
    }
  }

  private static func ranked<T: Comparable>(
    _ output: RunRequest.Output, _ type: T.Type, _ top: Int, _ start: Int, _ count: Int
  ) -> [(index: Int, value: T)] {
    let stride = MemoryLayout<T>.stride
    let all = (0..<count).map {
      (index: $0, value: output.data.loadUnaligned(fromByteOffset: (start + $0) * stride, as: T.self))
    }
    // `x == x` fails for NaN only.
    let sorted = all.sorted { a, b in
      if a.value != a.value || b.value != b.value { return b.value != b.value && a.value == a.value }
      return a.value > b.value || (a.value == b.value && a.index < b.index)
    }
    return Array(sorted.prefix(top))
  }

  private static func integers<T: FixedWidthInteger>(
    _ output: RunRequest.Output, _ type: T.Type, _ top: Int, _ start: Int, _ count: Int
  ) -> [Place] {
    ranked(output, type, top, start, count).map { Place(index: $0.index, value: String($0.value)) }
  }

  private static func floats<T: BinaryFloatingPoint>(
    _ output: RunRequest.Output, _ type: T.Type, _ top: Int, _ start: Int, _ count: Int
  ) -> [Place] {
    ranked(output, type, top, start, count).map { Place(index: $0.index, value: sixDecimals(Double($0.value))) }
  }

  private static func sixDecimals(_ value: Double) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 400) { text in
      let length = withVaList([value]) { vsnprintf(text.baseAddress!, text.count, "%f", $0) }
      return String(decoding: UnsafeRawBufferPointer(text).prefix(max(0, Int(length))), as: UTF8.self)
    }
  }
}
