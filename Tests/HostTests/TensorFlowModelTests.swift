import BlockingTests
import Foundation
import Inference
import StadionClient
import Testing
import Wire

/// SavedModels through socket, protocol, router, runner and back.
@Suite(.blocking, .enabled(if: Setup.hasTensorFlow, Comment(rawValue: Setup.needsTensorFlow)))
struct `SavedModels through the host` {
  @Test func `batches, text and signatures are served`() throws {
    let host = try Host { folder in
      try folder.addSavedModel("batch", "identity")
      try folder.addSavedModel("text", "text")
      try folder.addSavedModel("encode", "several", settings: #"{"options": {"signature": "encode"}}"#)
      try folder.addSavedModel("several", "several")
    }
    for rows in [0, 1, 3, 500] {
      let values = (0..<rows * 16).map(Float.init)
      let output = try host.infer("batch", floats("INPUT0", [Int64(rows), 16], values))
      #expect(output == [floats("OUTPUT0", [Int64(rows), 16], values)])
    }
    let text = try host.infer("text", DenseTensor(name: "text", shape: [2], elements: [Array("a\0b".utf8), []]))
    #expect(try text[1].byteElements() == [Array("A\0B".utf8), []])
    #expect(try host.infer("encode", floats("x", [1], [4])) == [floats("y", [1], [8])])
    let reason = try #require(try host.index().first { $0.hasPrefix("several:") })
    #expect(reason.contains("the signatures decode, encode; set option signature in model.json to one"))
  }

  @Test func `a run that has no end is ended by its deadline, and no process`() throws {
    let host = try Host { try $0.addSavedModel("loop", "loop") }
    func body(_ steps: Int32) -> String {
      """
      {"inputs":[{"name":"steps","datatype":"INT32","shape":[],"data":[\(steps)]},{"name":"x","datatype":"FP32",
      "shape":[64,64],"data":[\(Array(repeating: "0.5", count: 4096).joined(separator: ","))]}]
      """
    }
    let start = ContinuousClock.now
    let late = try host.send("POST", "/v2/models/loop/infer", body(.max) + #","parameters":{"timeout":200000}}"#)
    #expect(late.status == 504, "\(String(decoding: late.body, as: UTF8.self))")
    // The host ends a process 5 s after a deadline that was not kept.
    #expect(ContinuousClock.now - start < .seconds(4))
    let next = try host.send("POST", "/v2/models/loop/infer", body(3) + "}")
    #expect(next.status == 200)
    #expect(try host.log("a runner is back").isEmpty)
  }

  @Test func `a model reads its own folder and no other file`() throws {
    let host = try Host { folder in
      try folder.addSavedModel("read", "read_file")
      try folder.write("models/read/1/saved_model/assets/words", "of its own")
    }
    func read(_ path: String) throws -> HTTPResponse {
      try host.send(
        "POST", "/v2/models/read/infer",
        #"{"inputs":[{"name":"path","datatype":"BYTES","shape":[],"data":["\#(path)"]}]}"#)
    }
    let own = try read("\(host.folder.path)/models/read/1/saved_model/assets/words")
    #expect(String(decoding: own.body, as: UTF8.self).contains("of its own"))
    let refused = try read("/etc/hostname")
    let text = String(decoding: refused.body, as: UTF8.self)
    #expect(refused.status == 502, "\(text)")
    #expect(text.contains("runner org.stadion.tensorflow failed to run: /etc/hostname; Permission denied"), "\(text)")
  }

  @Test func `runs inside the host too`() throws {
    let manifest = try String(contentsOfFile: "\(Setup.manifests)/tensorflow.runner.json", encoding: .utf8)
    let folder = TemporaryFolder()
    let text = manifest.replacingOccurrences(of: "@manifest/..", with: Setup.root)
      .replacingOccurrences(of: #""priority": 100"#, with: #""priority": 100, "isolation": "host""#)
    try folder.write("runners/tensorflow.runner.json", text)
    let host = try Host(manifests: "\(folder.path)/runners", folder: folder) { try $0.addSavedModel("add", "add") }
    let ones = [Float](repeating: 1, count: 8)
    let sum = try host.infer("add", floats("y", [2, 4], ones), floats("x", [2, 4], ones))
    #expect(sum == [floats("z", [2, 4], ones.map { $0 * 2 })])
  }

  @Test func `real audio gives the known result`() throws {
    try #require(Setup.isThere(Setup.basicPitchSavedModel), "requires: the SavedModel basic_pitch")
    let host = try Host { try $0.copy(Setup.basicPitchSavedModel, to: "models/basic_pitch/1/saved_model") }
    var seed: UInt32 = 12345
    let audio = (0..<43844).map { index -> Float in
      seed = seed &* 1_664_525 &+ 1_013_904_223
      let t = Double(index) / 22050
      let noise = Double(seed >> 8) / 16_777_216 - 0.5
      return Float(0.3 * sin(2 * .pi * 261.63 * t) + 0.2 * sin(2 * .pi * 440 * t) + 0.02 * noise)
    }
    var sums: [String: Double] = [:]
    for output in try host.infer("basic_pitch", floats("input_2", [1, 43844, 1], audio)) {
      sums[output.name] = (0..<output.bytes.count / 4).reduce(0) { $0 + Double(output.load(Float.self, at: $1 * 4)) }
    }
    #expect(abs((sums["onset"] ?? 0) - 1563.336) < 0.01)
    #expect(abs((sums["note"] ?? 0) - 1666.808) < 0.01)
    #expect(abs((sums["contour"] ?? 0) - 4713.941) < 0.01)
  }
}
