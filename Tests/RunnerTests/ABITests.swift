import CStadionRunner
import Testing

/// Sizes and offsets as Swift sees them. A change here is a change of the contract: see STADION_ABI_MINOR.
private let golden = """
  stadion_error 512: struct_size 0, code 4, native_code 8, reserved 12, source 16, message 48
  stadion_text 16: data 0, size 8
  stadion_option 32: key 0, value 16
  stadion_device 56: struct_size 0, kind 4, ordinal 8, max_concurrent_runs 12, flags 16, memory_bytes 24, \
  name 32, formats 40, kind_name 48
  stadion_buffer 40: struct_size 0, reserved 4, data 8, byte_size 16, context 24, release 32
  stadion_tensor 56: struct_size 0, dtype 4, rank 8, reserved 12, name 16, shape 24, data 32, byte_size 40, buffer 48
  stadion_ticket 40: struct_size 0, reserved 4, id 8, deadline_ns 16, context 24, is_cancelled 32
  stadion_host 40: struct_size 0, abi_minor 4, context 8, log 16, allocate 24, extension 32
  stadion_request 56: struct_size 0, input_count 4, inputs 8, ticket 16, context 24, emit 32, wanted_outputs 40, \
  wanted_output_count 48, reserved 52
  stadion_plugin 136: struct_size 0, abi_major 4, abi_minor 8, reserved 12, id 16, version 24, engine 32, probe 40, \
  open 48, close 56, device 64, create 72, destroy 80, load 88, unload 96, signature 104, metadata 112, run 120, \
  extension 128
  stadion_ext_interrupt 16: struct_size 0, reserved 4, interrupt 8
  """

@Suite struct `The runner ABI` {
  @Test func `has the sizes and offsets of version 0 dot 1`() {
    #expect(STADION_ABI_MAJOR == 0)
    #expect(STADION_ABI_MINOR == 1)
    let found = lines()
    for (expected, line) in zip(golden.split(separator: "\n"), found) { #expect(line == expected) }
    #expect(found.count == golden.split(separator: "\n").count)
  }

  @Test func `keeps the numbers of codes, types, devices and flags`() {
    #expect(
      [
        STADION_OK, STADION_CANCELLED, STADION_INVALID_ARGUMENT, STADION_NOT_FOUND, STADION_UNSUPPORTED,
        STADION_RESOURCE_EXHAUSTED, STADION_DEADLINE_EXCEEDED, STADION_FAILED_PRECONDITION, STADION_UNAVAILABLE,
        STADION_INTERNAL, STADION_INCOMPATIBLE_ABI,
      ] == Array(0...10))
    #expect(
      [
        STADION_F32, STADION_F16, STADION_BF16, STADION_F64, STADION_I8, STADION_I16, STADION_I32, STADION_I64,
        STADION_U8, STADION_U16, STADION_U32, STADION_U64, STADION_BOOL, STADION_UTF8,
      ] == Array(1...14))
    #expect(
      [
        STADION_DEVICE_OTHER, STADION_DEVICE_CPU, STADION_DEVICE_GPU, STADION_DEVICE_NPU, STADION_DEVICE_TPU,
        STADION_DEVICE_DSP,
      ] == Array(0...5))
    #expect(
      [
        STADION_DEVICE_DYNAMIC_SHAPES, STADION_DEVICE_STREAMS, STADION_DEVICE_POLLS_CANCEL,
        STADION_DEVICE_PARALLEL_LOADS,
      ] == [1, 2, 4, 8])
    #expect(STADION_ENTRY_SYMBOL == "stadion_plugin_entry")
    #expect(STADION_EXT_INTERRUPT == "stadion.interrupt/1")
  }

  private func lines() -> [String] {
    [
      line(
        "stadion_error", \stadion_error.struct_size, \.code, \.native_code, \.reserved, \.source, \.message),
      line("stadion_text", \stadion_text.data, \.size),
      line("stadion_option", \stadion_option.key, \.value),
      line(
        "stadion_device", \stadion_device.struct_size, \.kind, \.ordinal, \.max_concurrent_runs, \.flags,
        \.memory_bytes, \.name, \.formats, \.kind_name),
      line(
        "stadion_buffer", \stadion_buffer.struct_size, \.reserved, \.data, \.byte_size, \.context, \.release),
      line(
        "stadion_tensor", \stadion_tensor.struct_size, \.dtype, \.rank, \.reserved, \.name, \.shape, \.data,
        \.byte_size, \.buffer),
      line(
        "stadion_ticket", \stadion_ticket.struct_size, \.reserved, \.id, \.deadline_ns, \.context, \.is_cancelled),
      line(
        "stadion_host", \stadion_host.struct_size, \.abi_minor, \.context, \.log, \.allocate, \.extension),
      line(
        "stadion_request", \stadion_request.struct_size, \.input_count, \.inputs, \.ticket, \.context, \.emit,
        \.wanted_outputs, \.wanted_output_count, \.reserved),
      line(
        "stadion_plugin", \stadion_plugin.struct_size, \.abi_major, \.abi_minor, \.reserved, \.id, \.version,
        \.engine, \.probe, \.open, \.close, \.device, \.create, \.destroy, \.load, \.unload, \.signature, \.metadata,
        \.run, \.extension),
      line("stadion_ext_interrupt", \stadion_ext_interrupt.struct_size, \.reserved, \.interrupt),
    ]
  }

  private func line<Record>(_ name: String, _ fields: PartialKeyPath<Record>...) -> String {
    let offsets = fields.map { field in
      let path = String(describing: field)  // "\stadion_text.data"
      return "\(path.split(separator: ".").last ?? "?") \(MemoryLayout<Record>.offset(of: field) ?? -1)"
    }
    return "\(name) \(MemoryLayout<Record>.size): \(offsets.joined(separator: ", "))"
  }
}
