import CStadionRunner

/// Every number of the contract's headers as the compiler sees it, a line each.
enum HeaderLayout {
  static let lines = constants.map { "\($0.0) \($0.1)" } + structs.flatMap { $0 }

  private static let constants: [(String, any CustomStringConvertible & Sendable)] = [
    ("STADION_ABI_MAJOR", STADION_ABI_MAJOR), ("STADION_ABI_MINOR", STADION_ABI_MINOR),
    ("STADION_ENTRY_SYMBOL", STADION_ENTRY_SYMBOL), ("STADION_EXT_INTERRUPT", STADION_EXT_INTERRUPT),
    ("STADION_OK", STADION_OK), ("STADION_CANCELLED", STADION_CANCELLED),
    ("STADION_INVALID_ARGUMENT", STADION_INVALID_ARGUMENT), ("STADION_NOT_FOUND", STADION_NOT_FOUND),
    ("STADION_UNSUPPORTED", STADION_UNSUPPORTED), ("STADION_RESOURCE_EXHAUSTED", STADION_RESOURCE_EXHAUSTED),
    ("STADION_DEADLINE_EXCEEDED", STADION_DEADLINE_EXCEEDED),
    ("STADION_FAILED_PRECONDITION", STADION_FAILED_PRECONDITION), ("STADION_UNAVAILABLE", STADION_UNAVAILABLE),
    ("STADION_INTERNAL", STADION_INTERNAL), ("STADION_INCOMPATIBLE_ABI", STADION_INCOMPATIBLE_ABI),
    ("STADION_DEVICE_OTHER", STADION_DEVICE_OTHER), ("STADION_DEVICE_CPU", STADION_DEVICE_CPU),
    ("STADION_DEVICE_GPU", STADION_DEVICE_GPU), ("STADION_DEVICE_NPU", STADION_DEVICE_NPU),
    ("STADION_DEVICE_TPU", STADION_DEVICE_TPU), ("STADION_DEVICE_DSP", STADION_DEVICE_DSP),
    ("STADION_DEVICE_DYNAMIC_SHAPES", STADION_DEVICE_DYNAMIC_SHAPES),
    ("STADION_DEVICE_STREAMS", STADION_DEVICE_STREAMS), ("STADION_DEVICE_POLLS_CANCEL", STADION_DEVICE_POLLS_CANCEL),
    ("STADION_DEVICE_PARALLEL_LOADS", STADION_DEVICE_PARALLEL_LOADS),
    ("STADION_F32", STADION_F32), ("STADION_F16", STADION_F16), ("STADION_BF16", STADION_BF16),
    ("STADION_F64", STADION_F64), ("STADION_I8", STADION_I8), ("STADION_I16", STADION_I16),
    ("STADION_I32", STADION_I32), ("STADION_I64", STADION_I64), ("STADION_U8", STADION_U8),
    ("STADION_U16", STADION_U16), ("STADION_U32", STADION_U32), ("STADION_U64", STADION_U64),
    ("STADION_BOOL", STADION_BOOL), ("STADION_UTF8", STADION_UTF8),
  ]

  private static let structs = [
    layout(
      "stadion_error", \stadion_error.struct_size, \.code, \.native_code, \.reserved, \.source, \.message),
    layout("stadion_text", \stadion_text.data, \.size),
    layout("stadion_option", \stadion_option.key, \.value),
    layout(
      "stadion_device", \stadion_device.struct_size, \.kind, \.ordinal, \.max_concurrent_runs, \.flags,
      \.memory_bytes, \.name, \.formats, \.kind_name),
    layout(
      "stadion_buffer", \stadion_buffer.struct_size, \.reserved, \.data, \.byte_size, \.context, \.release),
    layout(
      "stadion_tensor", \stadion_tensor.struct_size, \.dtype, \.rank, \.reserved, \.name, \.shape, \.data,
      \.byte_size, \.buffer),
    layout(
      "stadion_ticket", \stadion_ticket.struct_size, \.reserved, \.id, \.deadline_ns, \.context, \.is_cancelled),
    layout(
      "stadion_host", \stadion_host.struct_size, \.abi_minor, \.context, \.log, \.allocate, \.extension),
    layout(
      "stadion_request", \stadion_request.struct_size, \.input_count, \.inputs, \.ticket, \.context, \.emit,
      \.wanted_outputs, \.wanted_output_count, \.reserved),
    layout(
      "stadion_plugin", \stadion_plugin.struct_size, \.abi_major, \.abi_minor, \.reserved, \.id, \.version,
      \.engine, \.probe, \.open, \.close, \.device, \.create, \.destroy, \.load, \.unload, \.signature, \.metadata,
      \.run, \.extension),
    layout("stadion_ext_interrupt", \stadion_ext_interrupt.struct_size, \.reserved, \.interrupt),
  ]

  private static func layout<Record>(_ name: String, _ fields: PartialKeyPath<Record>...) -> [String] {
    let offsets = fields.map { field in
      let path = String(describing: field)  // "\stadion_text.data"
      return "\(name).\(path.split(separator: ".").last ?? "?") \(MemoryLayout<Record>.offset(of: field) ?? -1)"
    }
    return ["sizeof \(name) \(MemoryLayout<Record>.size)"] + offsets
  }
}
