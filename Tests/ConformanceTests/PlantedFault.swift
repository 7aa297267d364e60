import Foundation
import Testing

/// A fault of a fixture, the check that must find it and the rule it breaks.
struct PlantedFault: Sendable, CustomTestStringConvertible {
  /// A word of the fixture; for models further options may follow, as `for_two outputs=2`.
  let fault: String
  let check: String
  let id: String

  init(_ fault: String, _ check: String, _ id: String) {
    self.fault = fault
    self.check = check
    self.id = id
  }

  var testDescription: String { "\(fault): \(id)" }

  static let all =
    faultyLibraries + faultyLibrariesWithFile + faultyModels + faultyModelsWithFile + rudeModels
    + rudeFiles.map(\.fault)
    + otherFiles

  /// Of Tests/Fixtures/FaultyRunner, told by the library's file name.
  static let faultyLibraries = [
    Self("null_table", "table", "ENTRY-NULL"), Self("any_major", "entry", "ENTRY-MAJOR"),
    Self("fresh_table", "entry", "ENTRY-SAME"), Self("entry_thread", "entry", "ENTRY-THREADS"),
    Self("size_0", "table", "TABLE-SIZE"), Self("size_small", "table", "TABLE-SIZE"),
    Self("size_1mb", "table", "TABLE-SIZE"), Self("wrong_abi", "table", "TABLE-ABI"),
    Self("old_abi_small_table", "table", "TABLE-ABI"), Self("null_id", "table", "TABLE-ID"),
    Self("null_version", "table", "TABLE-VERSION"), Self("no_function", "table", "TABLE-FUNCTION"),
    Self("probe_0", "devices", "PROBE-ZERO"), Self("open_fails", "devices", "OPEN-FAILED"),
    Self("no_devices", "devices", "DEVICE-NONE"), Self("endless_devices", "devices", "DEVICE-END"),
    Self("device_size_0", "devices", "DEVICE-SIZE"), Self("bad_kind", "devices", "DEVICE-KIND"),
    Self("null_kind", "devices", "DEVICE-KIND"), Self("null_formats", "devices", "DEVICE-FORMATS"),
    Self("runs_0", "devices", "DEVICE-RUNS"), Self("create_fails", "life", "CREATE-FAILED"),
    Self("creates_once", "life", "LIFE-TWICE"), Self("keeps_thread", "life", "CLOSE-THREADS"),
  ]

  /// The same, with a model's file.
  static let faultyLibrariesWithFile = [
    Self("serial_loads", "loads", "LOAD-PARALLEL"), Self("trusts_file", "files", "LOAD-CRASH"),
  ]

  /// Of Tests/Fixtures/FaultyRunner, told by options of the model.
  static let faultyModels = [
    Self("load_null", "model", "OUT-MISSING"), Self("sig_null_name", "model", "SIG-NAME"),
    Self("sig_empty_name", "model", "SIG-NAME"), Self("sig_duplicate", "model", "SIG-NAME"),
    Self("sig_rank_100", "model", "SIG-SHAPE"), Self("sig_below", "model", "SIG-SHAPE"),
    Self("sig_null_shape", "model", "SIG-SHAPE"), Self("sig_bad_type", "model", "SIG-TYPE"),
    Self("sig_no_size", "model", "SIG-SIZE"), Self("sig_endless", "model", "SIG-END"),
    Self("sig_unstable", "model", "SIG-STABLE"), Self("meta_endless", "model", "META-END"),
    Self("meta_not_utf8", "model", "META-TEXT"), Self("trusts_options", "options", "OPTION-CRASH"),
    Self("sig_i64", "run", "RUN-EMIT-TYPE"), Self("wrong_name", "run", "RUN-EMIT-NAME"),
    Self("null_name", "run", "RUN-EMIT-NAME"), Self("wrong_type", "run", "RUN-EMIT-TYPE"),
    Self("bad_type", "run", "RUN-EMIT-TYPE"), Self("rank_9", "run", "RUN-EMIT-SHAPE"),
    Self("rank_huge", "run", "RUN-EMIT-SHAPE"), Self("negative_dim", "run", "RUN-EMIT-SHAPE"),
    Self("overflowing_shape", "run", "RUN-EMIT-SHAPE"), Self("wrapping_shape", "run", "RUN-EMIT-SHAPE"),
    Self("null_shape", "run", "RUN-EMIT-SHAPE"), Self("size_too_large", "run", "RUN-EMIT-BYTES"),
    Self("size_too_small", "run", "RUN-EMIT-BYTES"), Self("size_huge", "run", "RUN-EMIT-BYTES"),
    Self("null_data", "run", "RUN-EMIT-DATA"), Self("no_tensor_size", "run", "RUN-EMIT-SIZE"),
    Self("null_tensor", "run", "RUN-EMIT-NULL"), Self("null_request", "run", "RUN-EMIT-NULL"),
    Self("in_parts", "run", "RUN-EMIT-LAST"), Self("forgets_output", "run", "RUN-EMIT-MISSING"),
    Self("emits_twice", "run", "RUN-EMIT-TWICE"), Self("ignores_refusal", "run", "RUN-EMIT-REFUSED"),
    Self("emits_soon", "run", "RUN-EMIT-LATE"), Self("own_wrong_type", "run", "RUN-EMIT-TYPE"),
    Self("own_wrong_name", "run", "RUN-EMIT-NAME"), Self("own_short_buffer", "run", "BUFFER-OUTSIDE"),
    Self("own_elsewhere", "run", "BUFFER-OUTSIDE"), Self("own_tensor_no_size", "run", "RUN-EMIT-SIZE"),
    Self("own_no_release", "run", "BUFFER-RELEASE"), Self("own_emitted_twice", "run", "RUN-EMIT-TWICE"),
    Self("own_for_two outputs=2", "run", "BUFFER-TWICE"), Self("own_reused", "buffers", "BUFFER-TWICE"),
    Self("own_changed", "run", "BUFFER-CHANGED"), Self("host_emitted_twice", "run", "BUFFER-TWICE"),
    Self("host_for_two outputs=2", "run", "BUFFER-TWICE"), Self("host_given_back_too", "run", "BUFFER-TWICE"),
    Self("host_touched", "run", "BUFFER-TOUCHED"), Self("host_overrun", "run", "BUFFER-OVERRUN"),
    Self("host_overrun_far", "run", "BUFFER-OVERRUN"), Self("host_buffer_spoiled", "run", "BUFFER-SPOILED"),
    Self("host_given_back", "run", "RUN-EMIT-MISSING"), Self("allocates_too_much", "run", "RUN-FAILED"),
    Self("huge_log", "run", "LOG-TEXT"), Self("null_log", "run", "LOG-TEXT"),
    Self("none code=1", "run", "CANCEL-UNASKED"), Self("none code=9", "run", "RUN-FAILED"),
    Self("none code=99", "run", "ERROR-CODE"), Self("no_error_text code=9", "run", "ERROR-TEXT"),
    Self("error_without_nul code=9", "run", "ERROR-NUL"), Self("error_not_utf8 code=9", "run", "ERROR-UTF8"),
    Self("none load_code=9", "model", "LOAD-FAILED"), Self("none ms=400", "cancel", "CANCEL-LATE"),
    Self("miscodes_cancel", "cancel", "CANCEL-CODE"), Self("serial_only ms=1", "concurrent", "CONC-FAILED"),
    Self("miscodes_load", "cancel", "LOAD-CANCEL"), Self("loads_alone", "loads-and-runs", "CONC-LOADS"),
    Self("ignores_cancel", "run", "PROCESS-HANG"), Self("late_emit", "run", "PROCESS-HANG"),
    Self("load_waits", "model", "PROCESS-HANG"), Self("polls_cancel", "run", "PROCESS-HANG"),
    Self("load_hangs", "model", "PROCESS-HANG"),
    Self("stop", "run", "PROCESS-HANG"), Self("load_segv", "model", "PROCESS-CRASH"),
    Self("segv", "run", "PROCESS-CRASH"), Self("abort", "run", "PROCESS-CRASH"), Self("exit", "run", "PROCESS-EXIT"),
    Self("closes_all", "run", "PROCESS-EXIT"), Self("prints", "run", "PROCESS-STDOUT"),
  ]

  /// The same, with a model's file: the faulty runner takes any.
  static let faultyModelsWithFile = [Self("none", "files", "LOAD-MISSING"), Self("none", "files", "LOAD-GARBAGE")]

  /// Of Fixtures/rude.c, told by an option of the model.
  static let rudeModels = [
    Self("crashes", "run", "PROCESS-CRASH"), Self("aborts", "run", "PROCESS-CRASH"),
    Self("exits", "run", "PROCESS-EXIT"),
    Self("prints", "run", "PROCESS-STDOUT"), Self("writes_input", "read-only", "INPUT-WRITTEN"),
    Self("overreads", "run", "INPUT-OVERREAD"), Self("keeps_input", "poison", "INPUT-KEPT"),
    Self("leaks", "leaks", "LEAK-CYCLE"), Self("leaks_little", "leaks", "LEAK-CYCLE"),
    Self("loses_buffer", "run", "BUFFER-LOST"), Self("trusts_allocate", "allocation", "ALLOC-CODE"),
    Self("misnames_quota", "allocation", "ALLOC-CODE"), Self("shares_scratch", "concurrent", "CONC-RESULT"),
    Self("forgets_wanted", "wanted", "RUN-EMIT-MISSING"), Self("touches_out", "model", "OUT-TOUCHED"),
    Self("error_overrun", "model", "ERROR-OVERRUN"),
  ]

  /// Of Fixtures/rude.c, told by how it is compiled.
  static let rudeFiles = [
    (fault: Self("undefined", "table", "LIB-SYMBOLS"), flag: "-DRUDE_UNDEFINED"),
    // Far more room than the loader keeps for what is opened late.
    (fault: Self("large_tls", "table", "LIB-STATIC-TLS"), flag: "-DRUDE_TLS=4000000"),
    (fault: Self("small_tls", "exports", "LIB-TLS-FLAG"), flag: "-DRUDE_TLS=8"),
  ]

  /// Files of the system.
  static let otherFiles = [
    Self("/etc/hostname", "exports", "LIB-FILE"), Self("/etc/hostname", "table", "LIB-OPEN"),
    Self("zlib", "exports", "LIB-EXPORTS"), Self("zlib", "table", "LIB-ENTRY"),
  ]

  /// Words of the faulty runner that the kit can't find, and why.
  static let excused = [
    "none": "no fault", "dies_at_exit": "hosts end without exit handlers",
    "probe_200": "a high score is no fault", "runs_1": "one run at a time is no fault",
    "static_shapes": "differs from a manifest alone", "few_formats": "differs from a manifest alone",
    "id_mismatch": "differs from a manifest alone",
    "garbage_on_control": "spoils what only a runner's process of the host has",
    "ruins_ring": "spoils what only a runner's process of the host has",
    "ruins_run": "spoils what only a runner's process of the host has",
    "scribbles": "spoils what only a runner's process of the host has",
    "rings_for_ever": "spoils what only a runner's process of the host has",
    "fills_bells": "spoils what only a runner's process of the host has",
    "closes_bells": "spoils what only a runner's process of the host has",
    "load_waits_for_file": "waits as load_waits does, for what a test can reach in another process",
    "open_segv": "ends the process as load_segv does", "load_segv_gpu": "ends the process as load_segv does",
    "sig_gpu_differs": "two devices may differ; the host compares when it places a model on both",
  ]
}
