import CStadionRunner
import Foundation

/// A model in a plugin; unloaded with its last reference.
final class LoadedModel: @unchecked Sendable {  // run, signature and interrupt may be called from any thread
  private let plugin: Plugin
  let raw: OpaquePointer

  init(_ plugin: Plugin, _ raw: OpaquePointer) {
    self.plugin = plugin
    self.raw = raw
  }

  deinit { plugin.raw.pointee.unload(raw) }

  /// "INPUT0 1 [-1, 16]" for name, dtype, shape.
  func signature(outputs: Bool) -> [String] {
    var list: [String] = []
    while let tensor = plugin.raw.pointee.signature(raw, outputs, UInt32(list.count))?.pointee {
      let shape = Array(UnsafeBufferPointer(start: tensor.shape, count: Int(tensor.rank)))
      list.append("\(String(cString: tensor.name)) \(tensor.dtype) \(shape)")
    }
    return list
  }

  var metadata: [String: String] {
    var pairs: [String: String] = [:]
    var index: UInt32 = 0
    while let option = plugin.raw.pointee.metadata(raw, index)?.pointee {
      func text(_ text: stadion_text) -> String {
        String(decoding: UnsafeRawBufferPointer(start: text.data, count: text.size), as: UTF8.self)
      }
      pairs[text(option.key)] = text(option.value)
      index += 1
    }
    return pairs
  }

  func interrupt(_ ticket: TestTicket) {
    let table = plugin.raw.pointee.extension(STADION_EXT_INTERRUPT)!
    table.assumingMemoryBound(to: stadion_ext_interrupt.self).pointee.interrupt(raw, ticket.id)
  }

  /// Runs once and copies what is emitted. Inputs lie at 64-byte boundaries, as the contract says.
  @discardableResult
  func run(_ inputs: [Tensor], wanted: [UInt32]? = nil, ticket: TestTicket = TestTicket()) throws -> [Tensor] {
    let collected = Collected()
    let rawInputs = inputs.map { RawTensor($0) }
    defer { for input in rawInputs { input.free() } }
    let pointers = rawInputs.map { Optional(UnsafePointer($0.tensor)) }
    var error = emptyError()
    let code = pointers.withUnsafeBufferPointer { pointers in
      ticket.withRaw { rawTicket in
        var request = stadion_request()
        request.struct_size = UInt32(MemoryLayout<stadion_request>.size)
        request.input_count = UInt32(inputs.count)
        request.inputs = pointers.baseAddress ?? UnsafePointer(bitPattern: 64)
        request.ticket = rawTicket
        request.context = Unmanaged.passUnretained(collected).toOpaque()
        request.emit = { request, output, last in
          Unmanaged<Collected>.fromOpaque(request!.pointee.context!).takeUnretainedValue().add(output!.pointee, last)
        }
        guard let wanted else { return plugin.raw.pointee.run(raw, &request, &error) }
        return wanted.withUnsafeBufferPointer {
          request.wanted_outputs = $0.baseAddress
          request.wanted_output_count = UInt32($0.count)
          return plugin.raw.pointee.run(raw, &request, &error)
        }
      }
    }
    guard code == 0 else { throw Failure(code, error) }
    return collected.outputs
  }
}

private final class Collected {
  var outputs: [Tensor] = []

  func add(_ tensor: stadion_tensor, _ last: Bool) -> stadion_code {
    defer { if let buffer = tensor.buffer { buffer.pointee.release(buffer) } }
    guard last, let data = tensor.data, tensor.rank <= 8 else { return stadion_code(STADION_INTERNAL) }
    outputs.append(
      Tensor(
        String(cString: tensor.name), dtype: Int(tensor.dtype),
        Array(UnsafeBufferPointer(start: tensor.shape, count: Int(tensor.rank))),
        Array(UnsafeRawBufferPointer(start: data, count: Int(tensor.byte_size)))))
    return stadion_code(STADION_OK)
  }
}

private struct RawTensor {
  let tensor: UnsafeMutablePointer<stadion_tensor>
  private let shape: UnsafeMutablePointer<Int64>

  init(_ value: Tensor) {
    shape = .allocate(capacity: 8)
    for (place, size) in value.shape.enumerated() { shape[place] = size }
    var data: UnsafeMutableRawPointer?
    precondition(posix_memalign(&data, 64, max(value.bytes.count, 64)) == 0)
    value.bytes.withUnsafeBytes {
      data!.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(data!), byteCount: $0.count)
    }
    tensor = .allocate(capacity: 1)
    tensor.initialize(to: stadion_tensor())
    tensor.pointee.struct_size = UInt32(MemoryLayout<stadion_tensor>.size)
    tensor.pointee.dtype = stadion_dtype(value.dtype)
    tensor.pointee.rank = UInt32(value.shape.count)
    tensor.pointee.name = UnsafePointer(strdup(value.name))
    tensor.pointee.shape = UnsafePointer(shape)
    tensor.pointee.data = data
    tensor.pointee.byte_size = UInt64(value.bytes.count)
  }

  func free() {
    Foundation.free(tensor.pointee.data)
    Foundation.free(UnsafeMutableRawPointer(mutating: tensor.pointee.name))
    shape.deallocate()
    tensor.deallocate()
  }
}
