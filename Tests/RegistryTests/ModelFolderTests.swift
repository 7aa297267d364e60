import Foundation
import Testing

@testable import Registry

private let onnx: [UInt8] = [8, 9, 18, 0]
private let tflite: [UInt8] = [28, 0, 0, 0] + Array("TFL3".utf8)

@Suite struct `Scanning models` {
  let folder = TemporaryFolder()

  private func scan() -> ModelFolder.Scan { ModelFolder.scan(root: folder.path) }

  /// The only version of a model that holds just this file.
  private func version(_ file: String, _ bytes: [UInt8], json: String? = nil) throws -> VersionEntry {
    try folder.write("m/1/\(file)", bytes)
    if let json { try folder.write("m/model.json", json.utf8) }
    return try #require(scan().models.first?.versions.first)
  }

  @Test(arguments: [
    ("model.onnx", onnx, "onnx"), ("model.tflite", tflite, "tflite"),
    ("model.pt", Array("PK\u{3}\u{4}".utf8), "pt"), ("model.echo", [], "echo"),
  ])
  func `knows the format by name and content`(file: String, bytes: [UInt8], format: String) throws {
    let version = try version(file, bytes)
    #expect(version.files.map(\.format) == [format])
    #expect(version.files[0].path == "\(folder.path)/m/1/\(file)")
    #expect(version.problem == nil)
    #expect(version.files[0].stamp.byteCount == bytes.count)
  }

  @Test(arguments: [
    ("model.onnx", "PK", "model.onnx is no ONNX file (it doesn't begin with ir_version)"),
    ("model.onnx", "", "model.onnx is empty"),
    ("model.tflite", "TFL3", "model.tflite is no TFLite file (no TFL3 at byte 4)"),
    ("model.pt", "P", "model.pt is no TorchScript file (no zip archive)"),
    ("model.xml", "net", "model.xml is no XML file"),
    ("model.xml", "<net/>", "model.xml has no model.bin beside it"),
    ("saved_model/other.pb", "x", "saved_model has no saved_model.pb"),
    (
      "weights.bin", "x",
      "the version's folder holds no model; name it model.onnx, model.tflite, model.<format> or saved_model"
    ),
  ])
  func `says what is wrong with a version in its entry`(file: String, text: String, problem: String) throws {
    #expect(try version(file, Array(text.utf8)).problem == problem)
  }

  @Test func `takes folders of SavedModel and pairs of OpenVINO`() throws {
    try folder.write("a/1/saved_model/saved_model.pb", "x".utf8)
    try folder.write("b/1/model.xml", "<?xml version=\"1.0\"?>".utf8)
    try folder.write("b/1/model.bin", "x".utf8)
    let versions = scan().models.flatMap(\.versions)
    #expect(versions.map { $0.files.map(\.format) } == [["saved_model"], ["openvino"]])
    #expect(versions.map(\.problem) == [nil, nil])
  }

  @Test func `takes the same model in every format, and only one where model_json says which`() throws {
    try folder.write("m/1/model.double", "2".utf8)
    try folder.write("m/1/model.onnx", onnx)
    try folder.write("m/1/model.pt", "PK".utf8)
    try folder.write("m/1/model.txt", "about it".utf8)
    let version = try version("model.tflite", tflite)
    #expect(version.files.map(\.format) == ["onnx", "tflite", "pt", "double"])
    #expect(version.files[1].path == "\(folder.path)/m/1/model.tflite")
    #expect(version.problem == nil)
    try folder.write("m/model.json", #"{"format": "pt"}"#.utf8)
    #expect(scan().models.first?.versions.first?.files.map(\.format) == ["pt"])
    try folder.write("m/model.json", #"{"format": "double"}"#.utf8)
    #expect(scan().models.first?.versions.first?.files.map(\.format) == ["double"])
  }

  @Test func `a broken file hides no good one, and its problem is told`() throws {
    try folder.write("m/1/model.onnx", "PK".utf8)
    let version = try version("model.tflite", tflite)
    #expect(version.problem == nil)
    #expect(
      version.files.map(\.problem) == ["model.onnx is no ONNX file (it doesn't begin with ir_version)", nil])
    try folder.write("m/1/model.tflite", "".utf8)
    #expect(
      scan().models.first?.versions.first?.problem
        == "model.onnx is no ONNX file (it doesn't begin with ir_version); model.tflite is empty")
  }

  @Test func `gives the version's folder to a format without a file`() throws {
    folder.makeFolder("m/1")
    try folder.write("m/model.json", #"{"format": "echo"}"#.utf8)
    let version = try #require(scan().models.first?.versions.first)
    #expect(version.files.map(\.path) == ["\(folder.path)/m/1"])
    #expect(version.problem == nil)
    try folder.write("m/model.json", #"{"format": "onnx"}"#.utf8)
    #expect(scan().models.first?.versions.first?.problem == "the version's folder holds no model.onnx")
  }

  @Test func `sorts versions by number and names twins and strangers`() throws {
    for label in ["10", "9", "01", "1", "v2", ".git", "9999999999999999999"] {
      try folder.write("m/\(label)/model.onnx", onnx)
    }
    let scan = scan()
    #expect(scan.models.first?.versions.map(\.label) == ["01", "9", "10"])
    #expect(
      scan.problems == [
        "\(folder.path)/m/1: is the same version as 01, which is used",
        "\(folder.path)/m/9999999999999999999: is no version (decimal digits, at most 18)",
        "\(folder.path)/m/v2: is no version (decimal digits, at most 18)",
      ])
  }

  @Test func `ignores hidden folders and files beside the models`() throws {
    try folder.write(".hidden/1/model.onnx", onnx)
    try folder.write("README.md", "x".utf8)
    try folder.write("b/1/model.onnx", onnx)
    try folder.write("a/1/model.onnx", onnx)
    #expect(scan().models.map(\.name) == ["a", "b"])
    #expect(scan().problems == [])
  }

  @Test func `resolves links and reports broken ones`() throws {
    let outside = TemporaryFolder()
    let file = try outside.write("weights-7", onnx)
    folder.makeFolder("m/1")
    #expect(symlink(file, "\(folder.path)/m/1/model.onnx") == 0)
    #expect(scan().models.first?.versions.first?.files.map(\.path) == [file])
    #expect(scan().models.first?.versions.first?.problem == nil)
    folder.makeFolder("n/1")
    #expect(symlink("nowhere", "\(folder.path)/n/1/model.onnx") == 0)
    #expect(
      scan().models.last?.versions.first?.problem == "model.onnx can't be opened: No such file or directory")
    #expect(symlink("nowhere", "\(folder.path)/broken") == 0)
    #expect(scan().problems == ["\(folder.path)/broken: can't be opened: No such file or directory"])
  }

  @Test func `never waits on a pipe`() throws {
    folder.makeFolder("m/1")
    #expect(mkfifo("\(folder.path)/m/1/model.onnx", 0o600) == 0)
    #expect(mkfifo("\(folder.path)/m/model.json", 0o600) == 0)
    let model = try #require(scan().models.first)
    #expect(model.versions.first?.problem == "model.onnx is not a regular file")
    #expect(model.settingsProblem == "model.json: is not a regular file")
  }

  @Test func `the stamp changes with the model and with what lies beside it`() throws {
    let first = try version("model.onnx", onnx)
    #expect(try version("model.onnx", onnx + [0]) != first)
    let alone = try #require(scan().models.first?.versions.first)
    try folder.write("m/1/model.onnx.data", [1])
    #expect(scan().models.first?.versions.first != alone)
    #expect(scan() == scan())
  }

  @Test func `a change of any file changes the version`() throws {
    let outside = TemporaryFolder()
    let linked = try outside.write("weights", tflite)
    folder.makeFolder("m/1")
    #expect(symlink(linked, "\(folder.path)/m/1/model.tflite") == 0)
    let before = try version("model.onnx", onnx)
    #expect(scan().models.first?.versions.first == before)
    // In another folder, of the same size and age: only which file it is tells.
    let copy = try outside.write("other", tflite)
    var status = stat()
    #expect(stat(linked, &status) == 0)
    let times = [status.st_atim, status.st_mtim]
    #expect(utimensat(AT_FDCWD, copy, times, 0) == 0)
    #expect(rename(copy, linked) == 0)
    let after = try #require(scan().models.first?.versions.first)
    #expect(after != before)
    #expect(after.files[0] == before.files[0])
  }

  @Test func `names a root that isn't there`() {
    let scan = ModelFolder.scan(root: "\(folder.path)/nowhere")
    #expect(scan.problems == ["\(folder.path)/nowhere: can't be read: No such file or directory"])
  }

  @Test func `looks at one model again without leaving the root`() throws {
    try folder.write("root/m/1/model.onnx", onnx)
    try folder.write("other/1/model.onnx", onnx)
    var problems: [String] = []
    #expect(ModelFolder.model("m", root: "\(folder.path)/root", problems: &problems)?.versions.count == 1)
    #expect(ModelFolder.model("../other", root: "\(folder.path)/root", problems: &problems) == nil)
  }

  @Test(arguments: ["", ".", "..", ".x", "a/b", "a\nb", "a\u{7F}", "a\u{85}", String(repeating: "a", count: 256)])
  func `refuses names that aren't one`(name: String) { #expect(!ModelFolder.isModelName(name)) }

  @Test(arguments: ["a", "resnet-50", "model v2", "Übersetzer", String(repeating: "a", count: 255)])
  func `takes names of any language`(name: String) { #expect(ModelFolder.isModelName(name)) }
}
