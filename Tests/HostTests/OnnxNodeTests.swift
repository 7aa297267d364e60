import BlockingTests
import Testing
import Wire

/// Some 2000 small models that the ONNX project tests backends with: one or more for each operator.
@Suite(.blocking, .enabled(if: Setup.hasOnnxRuntime && Setup.hasPython, Comment(rawValue: Setup.needsOnnxRuntime)))
struct `The ONNX project's own tests` {
  @Test func `hold through the whole host, but for listed exceptions`() throws {
    let host = try Host(["--no-watch", "--runners", "org.stadion.onnxruntime"])
    let result = try Command.run(
      [
        Setup.python, Setup.fixture("onnx_node_suite.py"), host.socket, "\(host.folder.path)/models",
        Setup.fixture("onnx_node_exceptions.txt"),
      ], limit: .seconds(300))
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    let counts = try #require(result.output.firstMatch(of: /ran (\d+), excepted (\d+)\n/), "\(result.output)")
    // Of onnx 1.23.2: 2024 and 343.
    #expect(try #require(Int(counts.1)) >= 2000 && #require(Int(counts.2)) <= 350, "\(counts.0)")
    #expect(try host.runner("org.stadion.onnxruntime")?["crashes"] == 0)
  }
}
