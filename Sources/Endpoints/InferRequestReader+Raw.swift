import Inference
import Routing
import Running
import Wire

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
  func readRawText(_ spec: TensorSpec, _ shape: UnsafeMutablePointer<Int64>) throws(HostError) {
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
