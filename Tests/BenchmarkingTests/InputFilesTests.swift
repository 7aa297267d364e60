import Foundation
import Inference
import StadionClient
import Testing
import Wire

@testable import Benchmarking

/// A folder of one test, gone with it.
private final class Folder {
  let path: String

  init(_ files: [String: [UInt8]]) throws {
    var template = Array("/tmp/stadion-inputs-XXXXXX".utf8CString)
    path = String(cString: mkdtemp(&template))
    for (name, bytes) in files {
      let file = URL(fileURLWithPath: "\(path)/\(name)")
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(bytes).write(to: file)
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

@Suite struct `Inputs from files` {
  private static func npy(_ values: [Float]) -> [UInt8] {
    try! NumPyFile.write(DenseTensor(name: "", elementType: .f32, shape: [1, Int64(values.count)], values: values))
  }

  private static func spec(_ name: String, _ shape: [Int64] = [-1, 2]) -> TensorSpec {
    TensorSpec(name: name, elementType: .f32, shape: shape)
  }

  private func read(
    _ files: [String: [UInt8]], _ specs: [TensorSpec], hints: JSONValue? = nil
  ) throws -> InputFiles.Result {
    let folder = try Folder(files)
    return try InputFiles(specs, hints: hints).read([folder.path])
  }

  private func values(_ sample: Sample, _ input: Int = 0) -> [Double] {
    var values: [Double] = []
    sample.tensors[input].forEachNumber { values.append($0) }
    return values
  }

  @Test func `of one input are all files of a folder, by name`() throws {
    let files = [
      "b.npy": Self.npy([3, 4]), "a.json": Array("[1, 2]".utf8), ".c.npy": [1], "folder/d.npy": Self.npy([5, 6]),
    ]
    let result = try read(files, [Self.spec("x")])
    #expect(result.samples.map(\.name) == ["a.json", "b.npy"])
    #expect(result.samples.map { values($0) } == [[1, 2], [3, 4]])
    #expect(result.samples.allSatisfy { $0.tensors.map(\.name) == ["x"] } && result.notes.isEmpty)
  }

  @Test func `of several inputs belong together by their tags`() throws {
    let files = [
      "x.1.npy": Self.npy([1, 1]), "x-2.npy": Self.npy([2, 2]), "y_1.npy": Self.npy([3, 3]),
      "y.2.npy": Self.npy([4, 4]),
      "mask.npy": Self.npy([9, 9]),
    ]
    let result = try read(files, [Self.spec("x"), Self.spec("mask"), Self.spec("y")])
    #expect(Set(result.samples.map(\.name)) == ["1", "2"])
    let one = try #require(result.samples.first { $0.name == "1" })
    #expect((0..<3).map { values(one, $0) } == [[1, 1], [9, 9], [3, 3]])
  }

  @Test func `find inputs whose names no file can have`() throws {
    let files = ["serving_default_a_0.npy": Self.npy([1, 2]), "b.npy": Self.npy([3, 4])]
    let result = try read(files, [Self.spec("serving_default_a:0"), Self.spec("b")])
    #expect(result.samples.count == 1 && values(result.samples[0]) == [1, 2])
  }

  @Test(arguments: [
    (["x.npy"], "no file for input y"), (["x.npy", "z.npy"], "belongs to none of the inputs x, y"),
    (["x.1.npy", "x-1.npy", "y.1.npy"], "are both input x"), (["x.1.npy", "y.2.npy"], "no file for input y"),
    ([], "holds no file"),
  ])
  func `are refused where something is missing or too much`(names: [String], text: String) throws {
    let files = Dictionary(uniqueKeysWithValues: names.map { ($0, Self.npy([1, 2])) })
    let error = #expect(throws: HostError.self) { try read(files, [Self.spec("x"), Self.spec("y")]) }
    #expect(error?.message.contains(text) == true, "\(String(describing: error))")
  }

  @Test func `that can't be read are named`() throws {
    var broken = Self.npy([1, 2])
    broken.removeLast()
    let error = #expect(throws: HostError.self) {
      try read(["good.npy": Self.npy([1, 2]), "odd.npy": broken], [Self.spec("x")])
    }
    #expect(error?.message.contains("/odd.npy: ") == true)
  }

  @Test func `tell how sound became numbers`() throws {
    // 8 bits, two channels, 16,000 frames a second: one frame.
    let frame: [UInt8] = [128, 192]
    let head: [UInt8] = [1, 0, 2, 0, 0x80, 0x3E, 0, 0, 0, 0x7D, 0, 0, 2, 0, 8, 0]
    let parts = Array("WAVEfmt ".utf8) + [16, 0, 0, 0] + head + Array("data".utf8) + [2, 0, 0, 0] + frame
    let file = Array("RIFF".utf8) + [UInt8(parts.count), 0, 0, 0] + parts
    let result = try read(["a.wav": file, "b.wav": file], [Self.spec("x", [-1, -1])])
    #expect(values(result.samples[0]) == [0.25])
    #expect(
      result.notes == [
        "x: 2 channels are mixed to one by their mean; x: sound of 16000 samples a second as it is; the model states no "
          + "rate (2 files)"
      ])
    let error = #expect(throws: HostError.self) {
      try read(["a.wav": file], [Self.spec("x", [-1, -1])], hints: ["x": ["sampleRate": 22_050]])
    }
    #expect(error?.message.contains("wants 22050 samples a second, the file has 16000") == true)
  }
}

@Suite struct `Requests of several rows` {
  private func sample(_ name: String, _ values: [Float], rows: Int64 = 1) -> Sample {
    let shape = [rows, Int64(values.count) / rows]
    return Sample(name: name, [DenseTensor(name: "x", elementType: .f32, shape: shape, values: values)])
  }

  private let open = [(runner: "a", inputs: [TensorSpec(name: "x", elementType: .f32, shape: [-1, 2])])]

  @Test func `hold the samples in turn`() throws {
    let samples = [sample("a", [1, 2]), sample("b", [3, 4]), sample("c", [5, 6])]
    let workloads = try Batches.make([1, 2], from: samples, models: open)
    #expect(workloads.map(\.batch) == [1, 2] && workloads.map(\.samples.count) == [3, 3])
    let last = workloads[1].samples[2].tensors[0]
    #expect(last == DenseTensor(name: "x", elementType: .f32, shape: [2, 2], values: [Float(5), 6, 1, 2]))
  }

  @Test func `are refused where a runner has none`() {
    let fixed = open + [(runner: "b", inputs: [TensorSpec(name: "x", elementType: .f32, shape: [1, 2])])]
    let error = #expect(throws: HostError.self) { try Batches.make([2], from: [sample("a", [1, 2])], models: fixed) }
    #expect(error?.message.contains("input x of b has shape [1, 2]") == true)
    let scalar = [(runner: "c", inputs: [TensorSpec(name: "s", elementType: .f32, shape: [])])]
    #expect(throws: HostError.self) { try Batches.make([2], from: [sample("a", [1, 2])], models: scalar) }
  }

  @Test func `want single rows of one shape`() {
    #expect(throws: HostError.self) { try Batches.make([2], from: [sample("a", [1, 2], rows: 2)], models: open) }
    let error = #expect(throws: HostError.self) {
      try Batches.make([2], from: [sample("a", [1, 2]), sample("b", [1, 2, 3])], models: open)
    }
    #expect(error?.message.contains("[1, 2] in a and [1, 3] in b") == true)
  }
}
