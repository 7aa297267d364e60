import Foundation
import Testing

@Suite struct `The conformance kit passes` {
  @Test func `the echo runner`() throws {
    let check = try RunnerCheck(
      RunnerCheck.product("libEchoRunner.so"), ["--option", "inputs=x:f32[-1,4] t:utf8[-1] b:bool[2]"])
    #expect(check.ids == [] && check.status == 0, "\(check.output)")
  }

  private static let engine = RunnerCheck.root + "/.stadion/engines/onnxruntime/libonnxruntime.so.1.32.0"
  private static let model = RunnerCheck.root + "/.stadion/test-models/onnx/identity.onnx"
  private static let isThere = [engine, model].allSatisfy { FileManager.default.fileExists(atPath: $0) }

  @Test(.enabled(if: isThere, "requires: onnxruntime (make test-setup)"))
  func `the ONNX Runtime runner, whose engine leaves nothing behind`() throws {
    let home = NSTemporaryDirectory() + "stadion-check-home-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: home) }
    let check = try RunnerCheck(
      RunnerCheck.product("libOnnxRuntimeRunner.so"),
      ["--model", Self.model, "--runner-option", "library=\(Self.engine)"], environment: ["HOME": home])
    #expect(check.ids == [] && check.status == 0, "\(check.output)")
    // Its telemetry would keep an identifier there.
    #expect(try FileManager.default.contentsOfDirectory(atPath: home) == [])
  }
}

@Suite struct `The conformance kit finds` {
  static let libraryFaults: [(fault: String, check: String, id: String)] = [
    ("null_table", "table", "ENTRY-NULL"), ("size_0", "table", "TABLE-SIZE"), ("size_small", "table", "TABLE-SIZE"),
    ("size_1mb", "table", "TABLE-SIZE"), ("wrong_abi", "table", "TABLE-ABI"),
    ("old_abi_small_table", "table", "TABLE-ABI"), ("null_id", "table", "TABLE-ID"),
    ("null_version", "table", "TABLE-VERSION"), ("no_function", "table", "TABLE-FUNCTION"),
    ("probe_0", "devices", "PROBE-ZERO"), ("open_fails", "devices", "OPEN-FAILED"),
    ("no_devices", "devices", "DEVICE-NONE"), ("device_size_0", "devices", "DEVICE-SIZE"),
    ("bad_kind", "devices", "DEVICE-KIND"), ("null_kind", "devices", "DEVICE-KIND"),
    ("null_formats", "devices", "DEVICE-FORMATS"), ("runs_0", "devices", "DEVICE-RUNS"),
    ("create_fails", "life", "CREATE-FAILED"),
  ]

  @Test(arguments: libraryFaults)
  func `what is wrong with a library`(fault: String, check: String, id: String) throws {
    // The library's file name tells the fault.
    let folder = NSTemporaryDirectory() + "stadion-check-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let library = "\(folder)/org.stadion.test+\(fault)+cpu.so"
    try FileManager.default.copyItem(atPath: RunnerCheck.product("libFaultyRunner.so"), toPath: library)
    let found = try RunnerCheck(library, ["--only", check])
    #expect(found.ids == [id], "\(found.output)")
  }

  static let modelFaults: [(fault: String, check: String, id: String)] = [
    ("load_null", "model", "OUT-MISSING"), ("sig_null_name", "model", "SIG-NAME"),
    ("sig_empty_name", "model", "SIG-NAME"), ("sig_duplicate", "model", "SIG-NAME"),
    ("sig_rank_100", "model", "SIG-SHAPE"), ("sig_below", "model", "SIG-SHAPE"),
    ("sig_null_shape", "model", "SIG-SHAPE"), ("sig_bad_type", "model", "SIG-TYPE"),
    ("sig_no_size", "model", "SIG-SIZE"), ("sig_endless", "model", "SIG-END"),
    ("sig_i64", "run", "RUN-EMIT-TYPE"), ("wrong_name", "run", "RUN-EMIT-NAME"), ("null_name", "run", "RUN-EMIT-NAME"),
    ("wrong_type", "run", "RUN-EMIT-TYPE"), ("bad_type", "run", "RUN-EMIT-TYPE"), ("rank_9", "run", "RUN-EMIT-SHAPE"),
    ("rank_huge", "run", "RUN-EMIT-SHAPE"), ("negative_dim", "run", "RUN-EMIT-SHAPE"),
    ("overflowing_shape", "run", "RUN-EMIT-SHAPE"), ("wrapping_shape", "run", "RUN-EMIT-SHAPE"),
    ("null_shape", "run", "RUN-EMIT-SHAPE"), ("size_too_large", "run", "RUN-EMIT-BYTES"),
    ("size_too_small", "run", "RUN-EMIT-BYTES"), ("size_huge", "run", "RUN-EMIT-BYTES"),
    ("null_data", "run", "RUN-EMIT-DATA"), ("no_tensor_size", "run", "RUN-EMIT-SIZE"),
    ("null_tensor", "run", "RUN-EMIT-NULL"), ("null_request", "run", "RUN-EMIT-NULL"),
    ("in_parts", "run", "RUN-EMIT-LAST"), ("forgets_output", "run", "RUN-EMIT-MISSING"),
    ("emits_twice", "run", "RUN-EMIT-TWICE"), ("ignores_refusal", "run", "RUN-EMIT-REFUSED"),
    ("own_wrong_type", "run", "RUN-EMIT-TYPE"), ("own_wrong_name", "run", "RUN-EMIT-NAME"),
    ("own_short_buffer", "run", "BUFFER-OUTSIDE"), ("own_elsewhere", "run", "BUFFER-OUTSIDE"),
    ("own_tensor_no_size", "run", "RUN-EMIT-SIZE"), ("own_emitted_twice", "run", "RUN-EMIT-TWICE"),
    ("own_for_two outputs=2", "run", "BUFFER-TWICE"), ("host_buffer_spoiled", "run", "BUFFER-SPOILED"),
    ("host_given_back", "run", "RUN-EMIT-MISSING"), ("allocates_too_much", "run", "RUN-FAILED"),
    ("none code=1", "run", "CANCEL-UNASKED"), ("none code=9", "run", "RUN-FAILED"),
    ("none code=99", "run", "ERROR-CODE"),
    ("no_error_text code=9", "run", "ERROR-TEXT"), ("error_without_nul code=9", "run", "ERROR-NUL"),
    ("error_not_utf8 code=9", "run", "ERROR-UTF8"), ("none load_code=9", "model", "LOAD-FAILED"),
    ("none ms=400", "cancel", "CANCEL-LATE"), ("serial_only ms=1", "concurrent", "CONC-FAILED"),
    ("ignores_cancel", "run", "PROCESS-HANG"), ("late_emit", "run", "PROCESS-HANG"),
  ]

  @Test(arguments: modelFaults)
  func `what is wrong with a model`(fault: String, check: String, id: String) throws {
    let options = "fault=\(fault)".split(separator: " ").flatMap { ["--option", String($0)] }
    let found = try RunnerCheck(RunnerCheck.product("libFaultyRunner.so"), options + ["--only", check])
    #expect(found.ids.contains(id), "\(found.output)")
  }

  @Test func `a file that is no library`() throws {
    let found = try RunnerCheck("/etc/hostname", [])
    #expect(found.ids == ["LIB-FILE", "LIB-OPEN"] && found.status == 1, "\(found.output)")
  }

  @Test func `exported symbols and a missing entry`() throws {
    let library = ["x86_64", "aarch64"].map { "/lib/\($0)-linux-gnu/libz.so.1" }
      .first { FileManager.default.fileExists(atPath: $0) }
    let found = try RunnerCheck(try #require(library, "requires: zlib1g"), [])
    #expect(found.ids == ["LIB-EXPORTS", "LIB-ENTRY"] && found.status == 1, "\(found.output)")
  }
}
