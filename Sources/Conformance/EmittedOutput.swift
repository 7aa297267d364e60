import CStadionRunner
import Glibc
import Inference

/// A tensor that a runner has emitted, checked as the host checks it and copied.
struct EmittedOutput {
  struct Fault: Error {
    let rule: Rule
    let seen: String

    init(_ rule: Rule, _ seen: String) {
      self.rule = rule
      self.seen = seen
    }
  }

  let spec: TensorSpec
  let shape: [Int64]
  let bytes: [UInt8]

  private static let byteLimit = UInt64(1) << 30

  init(_ tensor: stadion_tensor, _ model: Model) throws(Fault) {
    guard let name = tensor.name else { throw Fault(.emitName, "the name is NULL") }
    let text = String(cString: name)
    guard let known = model.outputs.first(where: { $0.spec.name == text }) else {
      throw Fault(.emitName, "the signature has no output \"\(text)\"")
    }
    spec = known.spec
    guard let type = ElementType(dtype: tensor.dtype), type == spec.elementType else {
      throw Fault(.emitType, "\"\(text)\" came with dtype \(tensor.dtype), declared is \(spec.elementType.rawValue)")
    }
    guard tensor.rank <= UInt32(Model.maxRank), tensor.rank == 0 || tensor.shape != nil else {
      throw Fault(.emitShape, "\"\(text)\" came with rank \(tensor.rank)\(tensor.shape == nil ? " and no shape" : "")")
    }
    shape = Array(UnsafeBufferPointer(start: tensor.shape, count: Int(tensor.rank)))
    let fits = shape.count == spec.shape.count && zip(shape, spec.shape).allSatisfy { $1 < 0 || $0 == $1 }
    guard let count = TensorSize.elementCount(shape), fits else {
      throw Fault(.emitShape, "\"\(text)\" came with shape \(shape), declared is \(spec.shape)")
    }
    if let size = type.byteCount {
      let (expected, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow, tensor.byte_size == UInt64(expected) else {
        throw Fault(.emitBytes, "\"\(text)\" has shape \(shape) and byte_size \(tensor.byte_size)")
      }
    }
    guard tensor.byte_size <= Self.byteLimit else {
      throw Fault(.emitBytes, "\"\(text)\" has byte_size \(tensor.byte_size), over \(Self.byteLimit)")
    }
    if tensor.byte_size > 0, tensor.data == nil {
      throw Fault(.emitData, "\"\(text)\" has \(tensor.byte_size) bytes and data is NULL")
    }
    if let buffer = tensor.buffer { try Self.check(buffer.pointee, tensor, text) }
    let data = UnsafeRawBufferPointer(start: tensor.data, count: Int(tensor.byte_size))
    if type == .utf8, TensorText.elementCount(in: data) != count {
      throw Fault(.emitBytes, "\"\(text)\" has shape \(shape), its bytes hold another number of texts")
    }
    bytes = Array(data)
  }

  private static func check(_ buffer: stadion_buffer, _ tensor: stadion_tensor, _ name: String) throws(Fault) {
    guard buffer.struct_size >= 40, buffer.struct_size <= 4096, buffer.release != nil else {
      throw Fault(.bufferRelease, "the buffer of \"\(name)\" has struct_size \(buffer.struct_size), or no release")
    }
    guard tensor.byte_size > 0 else { return }
    let start = UInt64(UInt(bitPattern: buffer.data))
    let data = UInt64(UInt(bitPattern: tensor.data))
    guard start != 0, data >= start, data - start <= buffer.byte_size,
      buffer.byte_size - (data - start) >= tensor.byte_size
    else {
      throw Fault(
        .bufferOutside, "\"\(name)\" has \(tensor.byte_size) bytes outside of its buffer of \(buffer.byte_size)")
    }
  }
}
