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
  /// Larger outputs have no JSON form here: as text they would be several times this, in memory and on the loop.
  private static let jsonByteLimit = 256 << 20

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
      guard let bytes = blob(index), let start = bytes.baseAddress, !bytes.isEmpty else { continue }
      // Segments follow `out`: once one has begun, nothing may go to `out` any more.
      isCopying = isCopying && bytes.count <= Self.copyLimit
      if isCopying {
        out.append(start, bytes.count)
      } else {
        exchange.appendUncopied(start, bytes.count)
      }
    }
  }

  /// The binary form of an output, or of its classes; nil if the runner emitted none.
  private func blob(_ index: Int) -> UnsafeRawBufferPointer? {
    if let classes = scratch.classified[index] { return classes.bytes }
    guard let output = scratch.run.outputs.first(where: { $0.index == index }) else { return nil }
    return UnsafeRawBufferPointer(start: output.data, count: output.byteCount)
  }

  // MARK: Data as JSON

  private func writeData(_ output: RunRequest.Output, named name: String) throws(HostError) {
    guard output.byteCount <= Self.jsonByteLimit else {
      throw HostError(
        .invalidRequest,
        "output '\(name)' has \(output.byteCount) bytes, too many for JSON; ask for it with \"binary_data\": true")
    }
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
  /// - Returns: The bytes that follow the JSON for it.
  private func writeClasses(
    _ output: RunRequest.Output, _ shape: UnsafeBufferPointer<Int64>, _ classes: Int
  ) throws(HostError) -> Int {
    let spec = served.outputs[output.index]
    let count = TensorSize.elementCount(shape) ?? 0
    // A leading dimension that the model leaves open is the batch.
    let isBatched = shape.count > 1 && spec.shape.first == -1
    let batches = isBatched ? Int(shape[0]) : 1
    let each = batches == 0 ? 0 : count / batches
    let top = min(classes, each)
    guard count <= Classification.elementLimit else {
      throw HostError(
        .invalidRequest,
        "output '\(spec.name)' has \(count) elements, at most \(Classification.elementLimit) are ranked")
    }
    out.append(",\"datatype\":\"BYTES\",\"shape\":[")
    if isBatched {
      out.append(decimal: batches)
      out.append(UInt8(ascii: ","))
    }
    out.append(decimal: top)
    let blob = scratch.isBinary(output.index) ? ByteBuffer(capacity: 1024) : nil
    if blob == nil { out.append("],\"data\":[") }
    let labels = served.labels[output.index]
    // Without classes there is nothing to walk through, however long the shape says the batch is.
    for batch in 0..<(top == 0 ? 0 : batches) {
      let row = try Classification.top(top, of: output, from: batch * each, count: each, named: spec.name)
      for (rank, place) in row.enumerated() {
        let label = labels.indices.contains(place.index) ? ":\(labels[place.index])" : ""
        let text = "\(place.value):\(place.index)\(label)"
        if let blob {
          withUnsafeBytes(of: UInt32(text.utf8.count).littleEndian) { blob.append($0) }
          blob.append(text)
        } else {
          if rank > 0 || batch > 0 { out.append(UInt8(ascii: ",")) }
          out.append(json: text)
        }
      }
    }
    guard let blob else {
      out.append("]}")
      return 0
    }
    scratch.classified[output.index] = blob
    out.append("],\"parameters\":{\"binary_data_size\":")
    out.append(decimal: blob.count)
    out.append("}}")
    return blob.count
  }
}
