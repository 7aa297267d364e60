import BlockingTests
import Foundation
import Testing

/// Faults that end or spoil the process; a runner is compiled for them, as its author would.
@Suite(.blocking) struct `A rude runner` {
  /// Fixtures/rude.c as a library; nil without a C compiler.
  static let library: String? = {
    let output = NSTemporaryDirectory() + "stadion-rude-\(UUID().uuidString).so"
    let compiler = Process()
    compiler.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    compiler.arguments = [
      "cc", "-std=gnu11", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-I",
      RunnerCheck.root + "/Sources/CStadionRunner/include",
      RunnerCheck.root + "/Tests/ConformanceTests/Fixtures/rude.c",
      "-o", output,
    ]
    guard (try? compiler.run()) != nil else { return nil }
    compiler.waitUntilExit()
    return compiler.terminationStatus == 0 ? output : nil
  }()

  static let faults: [(fault: String, check: String, id: String)] = [
    ("crashes", "run", "PROCESS-CRASH"), ("aborts", "run", "PROCESS-CRASH"), ("exits", "run", "PROCESS-EXIT"),
    ("prints", "run", "PROCESS-STDOUT"), ("writes_input", "read-only", "INPUT-WRITTEN"),
    ("overreads", "overread", "INPUT-OVERREAD"), ("keeps_input", "poison", "INPUT-KEPT"),
    ("leaks", "leaks", "LEAK-CYCLE"), ("loses_buffer", "run", "BUFFER-LOST"),
    ("trusts_allocate", "allocation", "ALLOC-CODE"), ("misnames_quota", "allocation", "ALLOC-CODE"),
    ("shares_scratch", "concurrent", "CONC-RESULT"), ("forgets_wanted", "wanted", "RUN-EMIT-MISSING"),
    ("touches_out", "model", "OUT-TOUCHED"), ("error_overrun", "model", "ERROR-OVERRUN"),
  ]

  @Test(.enabled(if: library != nil, "requires: cc"), arguments: faults)
  func `is found out`(fault: String, check: String, id: String) throws {
    let found = try RunnerCheck(try #require(Self.library), ["--option", "fault=\(fault)", "--only", check])
    #expect(found.ids.contains(id) && found.status == 1, "\(found.output)")
  }

  @Test(.enabled(if: library != nil, "requires: cc"))
  func `passes when it behaves`() throws {
    let found = try RunnerCheck(try #require(Self.library), ["--option", "fault=none"])
    #expect(found.ids == [] && found.status == 0, "\(found.output)")
  }
}
