import CStadionRunner
import Glibc

/// A plugin called without a host around it. Whatever fails ends the process with a line that says so.
struct ProbedPlugin {
  private let table: UnsafePointer<stadion_plugin>
  private let runner: OpaquePointer

  init(_ library: String, options: [String]) {
    guard let handle = dlopen(library, RTLD_NOW | RTLD_LOCAL) else { Self.end(String(cString: dlerror())) }
    guard let symbol = dlsym(handle, STADION_ENTRY_SYMBOL) else { Self.end("no entry in \(library)") }
    guard let table = unsafeBitCast(symbol, to: stadion_entry_fn.self)(STADION_ABI_MAJOR, STADION_ABI_MINOR) else {
      Self.end("no table in \(library)")
    }
    self.table = table
    let host = UnsafeMutablePointer<stadion_host>.allocate(capacity: 1)
    host.initialize(to: stadion_host())
    host.pointee.struct_size = UInt32(MemoryLayout<stadion_host>.size)
    host.pointee.abi_minor = STADION_ABI_MINOR
    host.pointee.log = { _, _, text in
      print("log", String(decoding: UnsafeRawBufferPointer(start: text.data, count: text.size), as: UTF8.self))
    }
    host.pointee.allocate = { _, _, size in allocate(size) }
    host.pointee.extension = { _, _ in nil }
    var error = Self.emptyError()
    var runner: OpaquePointer?
    let list = Self.options(options)
    guard table.pointee.open(host, &error) == 0,
      table.pointee.create(table.pointee.device(0), list.baseAddress, list.count, &runner, &error) == 0, let runner
    else { Self.end(Self.message(error)) }
    self.runner = runner
  }

  /// Loads, runs and unloads. The outputs' bytes: an i32[1] as its number, others as a checksum; or the error.
  func run(_ path: String, options: [String]) -> String {
    var error = Self.emptyError()
    var model: OpaquePointer?
    var ticket = stadion_ticket()
    ticket.struct_size = UInt32(MemoryLayout<stadion_ticket>.size)
    ticket.is_cancelled = { _ in false }
    let list = Self.options(options)
    guard table.pointee.load(runner, &ticket, Self.text(path), list.baseAddress, list.count, &model, &error) == 0,
      let model
    else { return "load failed: \(Self.message(error))" }
    defer { table.pointee.unload(model) }
    var inputs: [UnsafePointer<stadion_tensor>?] = []
    while let tensor = table.pointee.signature(model, false, UInt32(inputs.count)) {
      inputs.append(Self.zeros(tensor.pointee))
    }
    var seen = ""
    let code = withUnsafeMutablePointer(to: &seen) { seen in
      var request = stadion_request()
      request.struct_size = UInt32(MemoryLayout<stadion_request>.size)
      request.input_count = UInt32(inputs.count)
      request.context = UnsafeMutableRawPointer(seen)
      request.emit = { request, output, _ in
        request!.pointee.context!.assumingMemoryBound(to: String.self).pointee += ProbedPlugin.describe(output!.pointee)
        if let buffer = output!.pointee.buffer { buffer.pointee.release(buffer) }
        return 0
      }
      return withUnsafePointer(to: ticket) { ticket in
        inputs.withUnsafeBufferPointer { inputs in
          request.ticket = ticket
          request.inputs = inputs.baseAddress
          return table.pointee.run(model, &request, &error)
        }
      }
    }
    return code == 0 ? seen : "run failed: \(Self.message(error))"
  }

  private static func describe(_ output: stadion_tensor) -> String {
    let bytes = UnsafeRawBufferPointer(start: output.data, count: Int(output.byte_size))
    if output.dtype == STADION_I32, bytes.count == 4 { return "\(bytes.loadUnaligned(as: Int32.self))" }
    let sum = bytes.reduce(UInt64(14_695_981_039_346_656_037)) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }  // FNV-1a
    return "\(String(cString: output.name)):\(bytes.count):\(sum) "
  }

  /// Of the signature's shape, where -1 becomes 1. Lives as long as the process.
  private static func zeros(_ signature: stadion_tensor) -> UnsafePointer<stadion_tensor> {
    let shape = UnsafeMutablePointer<Int64>.allocate(capacity: 8)
    for index in 0..<Int(signature.rank) { shape[index] = max(signature.shape[index], 1) }
    let count = (0..<Int(signature.rank)).reduce(1) { $0 * Int(shape[$1]) }
    let sizes: [Int32: Int] = [STADION_F32: 4, STADION_I32: 4, STADION_I64: 8, STADION_F64: 8].reduce(into: [:]) {
      $0[Int32($1.key)] = $1.value
    }
    let byteCount = count * (sizes[signature.dtype] ?? 1)
    var data: UnsafeMutableRawPointer?
    guard posix_memalign(&data, 64, byteCount + 64) == 0, let data else { end("no memory") }
    memset(data, 0, byteCount)
    let tensor = UnsafeMutablePointer<stadion_tensor>.allocate(capacity: 1)
    tensor.initialize(to: signature)
    tensor.pointee.struct_size = UInt32(MemoryLayout<stadion_tensor>.size)
    tensor.pointee.shape = UnsafePointer(shape)
    tensor.pointee.data = data
    tensor.pointee.byte_size = UInt64(byteCount)
    return UnsafePointer(tensor)
  }

  private static func emptyError() -> stadion_error {
    var error = stadion_error()
    error.struct_size = UInt32(MemoryLayout<stadion_error>.size)
    return error
  }

  private static func message(_ error: stadion_error) -> String {
    withUnsafeBytes(of: error.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  /// Lives as long as the process.
  private static func text(_ text: String) -> stadion_text { stadion_text(data: strdup(text), size: text.utf8.count) }

  private static func options(_ pairs: [String]) -> UnsafeBufferPointer<stadion_option> {
    let list = UnsafeMutableBufferPointer<stadion_option>.allocate(capacity: pairs.count)
    for (index, pair) in pairs.enumerated() {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      list.initializeElement(
        at: index, to: stadion_option(key: text(String(parts[0])), value: text(String(parts.dropFirst().first ?? ""))))
    }
    return UnsafeBufferPointer(list)
  }

  private static func end(_ reason: String) -> Never {
    print("failed", reason)
    exit(1)
  }
}

private func allocate(_ size: UInt64) -> UnsafeMutablePointer<stadion_buffer>? {
  var data: UnsafeMutableRawPointer?
  guard posix_memalign(&data, 64, Int(size) + 64) == 0, let data else { return nil }
  let buffer = UnsafeMutablePointer<stadion_buffer>.allocate(capacity: 1)
  buffer.initialize(to: stadion_buffer())
  buffer.pointee.struct_size = UInt32(MemoryLayout<stadion_buffer>.size)
  buffer.pointee.data = data
  buffer.pointee.byte_size = size
  buffer.pointee.release = { buffer in
    free(buffer!.pointee.data)
    buffer!.deallocate()
  }
  return buffer
}
