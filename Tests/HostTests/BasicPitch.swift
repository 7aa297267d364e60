import Foundation
import Inference
import StadionClient
import Testing

/// What basic_pitch is asked in tests, and what it answers.
enum BasicPitch {
  /// Two seconds of two tones and some noise, always the same.
  static let audio: [Float] = {
    var seed: UInt32 = 12345
    return (0..<43844).map { index -> Float in
      seed = seed &* 1_664_525 &+ 1_013_904_223
      let t = Double(index) / 22050
      let noise = Double(seed >> 8) / 16_777_216 - 0.5
      return Float(0.3 * sin(2 * .pi * 261.63 * t) + 0.2 * sin(2 * .pi * 440 * t) + 0.02 * noise)
    }
  }()
}

extension Host {
  /// Outputs for that audio by what they mean, as each format names them differently: `contour`, `note`, `onset`.
  func listen(_ model: String) throws -> [String: [Float]] {
    let input = try #require(try client.metadata(ModelID(model)).inputs.first)
    let meanings = [":0": "contour", ":1": "note", ":2": "onset"]
    var heard: [String: [Float]] = [:]
    for output in try infer(model, floats(input.name, [1, 43844, 1], BasicPitch.audio)) {
      let meaning = meanings[String(output.name.suffix(2))] ?? output.name
      heard[meaning] = (0..<output.bytes.count / 4).map { output.load(Float.self, at: $0 * 4) }
    }
    return heard
  }
}
