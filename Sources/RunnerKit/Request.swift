import Glibc
import CStadionRunner

/// One request. Everything in it is borrowed until `Model.run` returns; it must not be kept. [run] thread.
public struct Request {
  let raw: UnsafePointer<stadion_request>
  let host: UnsafePointer<stadion_host>

  public var ticket: Ticket { Ticket(raw: raw.pointee.ticket) }

  public var inputCount: Int { Int(raw.pointee.input_count) }

  /// - Parameter index: 0..<`inputCount`, in the signature's order.
  public func input(_ index: Int) -> Input { Input(raw: raw.pointee.inputs[index]!) }

  /// The input of that name; `hint` is where it is likely to be.
  public func input(named name: UnsafePointer<CChar>, hint: Int) -> Input? {
    if hint < inputCount, input(hint).hasName(name) { return input(hint) }
    for index in 0..<inputCount where input(index).hasName(name) { return input(index) }
    return nil
  }

  /// Indexes into `Model.outputs` that the caller wants; nil = all of them.
  public var wantedOutputs: UnsafeBufferPointer<UInt32>? {
    raw.pointee.wanted_outputs.map { UnsafeBufferPointer(start: $0, count: Int(raw.pointee.wanted_output_count)) }
  }

  /// - Throws: `.resourceExhausted` when the tenant's quota is spent.
  public func allocate(byteCount: Int) throws(RunnerError) -> HostBuffer {
    guard let buffer = host.pointee.allocate(host, raw.pointee.ticket, UInt64(byteCount)) else {
      throw RunnerError(.resourceExhausted, "no memory for an output of \(byteCount) bytes within the quota")
    }
    return HostBuffer(raw: buffer)
  }

  /// Hands an output, or a chunk of it, to the host, which copies `data` before this returns.
  ///
  /// - Parameters:
  ///   - shape: In elements, every dimension >= 0.
  ///   - data: Dense, row-major. `utf8`: a UInt32 byte count and the bytes, element by element.
  ///   - last: Ends this output.
  /// - Throws: The host's refusal; let it through.
  public func emit(
    _ name: UnsafePointer<CChar>, _ type: ElementType, _ shape: UnsafeBufferPointer<Int64>,
    data: UnsafeRawBufferPointer, last: Bool = true
  ) throws(RunnerError) {
    try emit(name, type, shape, UnsafeMutableRawPointer(mutating: data.baseAddress), data.count, nil, last)
  }

  /// The same without a copy: the first `byteCount` bytes of a buffer from `allocate`, which the host keeps.
  public func emit(
    _ name: UnsafePointer<CChar>, _ type: ElementType, _ shape: UnsafeBufferPointer<Int64>,
    buffer: consuming HostBuffer, byteCount: Int, last: Bool = true
  ) throws(RunnerError) {
    let raw = buffer.take()
    try emit(name, type, shape, raw.pointee.data, byteCount, raw, last)
  }

  private func emit(
    _ name: UnsafePointer<CChar>, _ type: ElementType, _ shape: UnsafeBufferPointer<Int64>,
    _ data: UnsafeMutableRawPointer?, _ byteCount: Int, _ buffer: UnsafeMutablePointer<stadion_buffer>?, _ last: Bool
  ) throws(RunnerError) {
    var tensor = stadion_tensor()
    tensor.struct_size = UInt32(MemoryLayout<stadion_tensor>.size)
    tensor.dtype = type.rawValue
    tensor.rank = UInt32(shape.count)
    tensor.name = name
    tensor.shape = shape.baseAddress
    tensor.data = data
    tensor.byte_size = UInt64(byteCount)
    tensor.buffer = buffer
    let code = raw.pointee.emit(raw, &tensor, last)
    guard code == STADION_OK else {
      throw RunnerError(
        RunnerError.Code(rawValue: code) ?? .internal, "the host refused output \(String(cString: name))")
    }
  }
}

/// One input of a request. Read-only, aligned to 64 bytes.
public struct Input {
  let raw: UnsafePointer<stadion_tensor>

  /// NUL-terminated UTF-8.
  public var name: UnsafePointer<CChar> { raw.pointee.name }
  public func hasName(_ other: UnsafePointer<CChar>) -> Bool { strcmp(name, other) == 0 }

  /// Nil for a number this kit doesn't know.
  public var type: ElementType? { ElementType(rawValue: raw.pointee.dtype) }
  /// In elements.
  public var shape: UnsafeBufferPointer<Int64> {
    UnsafeBufferPointer(start: raw.pointee.shape, count: Int(raw.pointee.rank))
  }
  public var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: raw.pointee.data, count: Int(raw.pointee.byte_size))
  }
}
