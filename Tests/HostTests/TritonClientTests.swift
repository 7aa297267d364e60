import BlockingTests
import Foundation
import Testing
import Wire

/// The protocol's best-known client, against a host on TCP.
@Suite(.blocking, .enabled(if: Setup.hasPython, Comment(rawValue: Setup.needsPython)))
struct `tritonclient over HTTP` {
  private static let types = [
    "BOOL": "bool", "UINT8": "u8", "UINT16": "u16", "UINT32": "u32", "UINT64": "u64", "INT8": "i8", "INT16": "i16",
    "INT32": "i32", "INT64": "i64", "FP16": "f16", "FP32": "f32", "FP64": "f64", "BF16": "bf16", "BYTES": "utf8",
  ]

  @Test(arguments: ["host", "process"]) func `every method of the client works`(isolation: String) throws {
    let runners = TemporaryFolder()
    try runners.addEchoRunner(isolation: isolation)
    let manifests = "\(runners.path)/runners"
    let host = try Host(["--listen", "127.0.0.1:0", "--anonymous"], manifests: manifests) { folder in
      for (name, type) in Self.types { try folder.addEcho("type_\(name)", "X:\(type)[-1]") }
      try folder.addEcho("pair", "A:f32[-1,3] B:i64[-1]")
      try folder.addEcho("spare", "X:f32[-1]")
      try folder.addEcho("a b%ü+c", "X:f32[-1]")
      try folder.addEcho("failing", "X:f32[-1]", options: ["fail": "out of order"])
      try folder.addEcho("slow", "X:f32[-1]", options: ["sleep_ms": "60000"])
      try folder.addEcho("labelled", "X:f32[-1]", more: #", "labels": {"X": "labels.txt"}"#)
      try folder.write("models/labelled/labels.txt", "cat\ndog\nhen\nfox\n")
    }
    let addresses = try host.log("listening").compactMap { $0["address"]?.string }
    let address = try #require(addresses.first { $0.hasPrefix("127.0.0.1:") }, "listens on \(addresses)")
    let result = try Command.run([Setup.python, Setup.fixture("tritonclient_suite.py"), address], limit: .seconds(60))
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    #expect(result.output.split(separator: "\n").count { $0.hasPrefix("ok ") } == 18)
  }
}
