import BlockingTests
import Foundation
import Inference
import Testing

/// One model, basic_pitch, in the formats that its package and our tools make of it, through each engine that reads them.
@Suite(.blocking) struct `One model through every engine` {
  /// A format and who serves it.
  struct Way: CustomTestStringConvertible, Sendable {
    let format: String
    let runner: String
    let isInstalled: Bool
    var testDescription: String { "\(format) by \(runner)" }
  }

  private static let ways = [
    Way(format: "static_tflite", runner: "org.stadion.litert", isInstalled: Setup.hasLiteRT),
    Way(format: "saved_model", runner: "org.stadion.tensorflow", isInstalled: Setup.hasTensorFlow),
    Way(format: "onnx", runner: "org.stadion.openvino", isInstalled: Setup.hasOpenVINO),
    Way(format: "tflite", runner: "org.stadion.openvino", isInstalled: Setup.hasOpenVINO),
    Way(format: "saved_model", runner: "org.stadion.openvino", isInstalled: Setup.hasOpenVINO),
    Way(format: "openvino", runner: "org.stadion.openvino", isInstalled: Setup.hasOpenVINO),
  ].filter(\.isInstalled)

  @Test(.enabled(if: Setup.hasOnnxRuntime, Comment(rawValue: Setup.needsOnnxRuntime)), arguments: ways)
  func `agrees with ONNX Runtime`(way: Way) throws {
    let host = try Host { folder in
      try folder.addBasicPitch("reference", "onnx", runner: "org.stadion.onnxruntime")
      try folder.addBasicPitch("other", way.format, runner: way.runner)
    }
    #expect(try host.server(of: "reference") == "org.stadion.onnxruntime")
    #expect(try host.server(of: "other") == way.runner, "\(host.state)")
    let expected = try host.listen("reference")
    let found = try host.listen("other")
    #expect(expected.keys.sorted() == ["contour", "note", "onset"])
    for (meaning, values) in expected {
      let other = try #require(found[meaning], "there is \(found.keys)")
      #expect(other.count == values.count)
      // Sums of some hundred products, in another order.
      let error = zip(values, other).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
      #expect(error <= 2e-6, "\(meaning)")
    }
  }
}
