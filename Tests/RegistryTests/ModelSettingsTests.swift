import Foundation
import Inference
import Testing
import Wire

@testable import Registry

private func settings(_ text: String) throws -> ModelSettings { try ModelSettings(parsing: Array(text.utf8)) }

@Suite struct `Settings of a model` {
  @Test func `take every field`() throws {
    let settings = try settings(
      """
      {"description": "Tells cats from dogs", "format": "onnx", "runners": ["org.a", "org.b"],
       "devices": ["gpu", "cpu"], "deviceRequired": true, "options": {"graph_optimization": "all"},
       "runnerOptions": {"org.b": {"graph_optimization": "none", "threads": "2"}},
       "versions": {"latest": 2}, "maxConcurrentRuns": 4, "queueLimit": 0, "timeoutMs": 1500,
       "labels": {"scores": "labels.txt"}, "inputs": {"image": {"layout": "nchw", "mean": [0.5]}}}
      """)
    #expect(settings.description == "Tells cats from dogs")
    #expect(settings.format == "onnx")
    #expect(settings.runners == ["org.a", "org.b"])
    #expect(settings.devices == [.gpu, .cpu])
    #expect(settings.deviceRequired)
    #expect(settings.options == ["graph_optimization": "all"])
    #expect(settings.options(forRunner: "org.a") == ["graph_optimization": "all"])
    #expect(settings.options(forRunner: "org.b") == ["graph_optimization": "none", "threads": "2"])
    #expect(settings.versions == .latest(2))
    #expect(settings.maxConcurrentRuns == 4)
    #expect(settings.queueLimit == 0)
    #expect(settings.timeoutMs == 1500)
    #expect(settings.labels == ["scores": "labels.txt"])
    #expect(settings.inputs == ["image": ["layout": "nchw", "mean": .array([.number("0.5")])]])
  }

  @Test func `are all optional`() throws { #expect(try settings("{}") == ModelSettings()) }

  @Test(arguments: [
    (#"{"runers": []}"#, #"runers is not a known key: is "runners" meant?"#),
    (#"{"timeoutMs": -1}"#, "timeoutMs is -1, an integer of 0...86400000 is wanted"),
    (#"{"maxConcurrentRuns": 4097}"#, "maxConcurrentRuns is 4097, an integer of 1...4096 is wanted"),
    (#"{"devices": "gpu"}"#, "devices is a string, an array of strings is wanted"),
    (#"{"devices": ["GPU"]}"#, #"devices[0] is "GPU", a lower-case word such as cpu or gpu is wanted"#),
    (#"{"options": {"a": 1}}"#, "options.a is a number, a string without NUL is wanted: write it in quotes"),
    (#"{"runnerOptions": {"org.a": 1}}"#, "runnerOptions.org.a is a number, an object of strings is wanted"),
    (
      #"{"runners": ["org.a"], "runnerOptions": {"org.b": {}}}"#,
      #"runnerOptions.org.b is for a runner that "runners" leaves out"#
    ),
    (#"{"labels": {"o": "../x"}}"#, #"labels.o is "../x", the name of a file in the model's folder is wanted"#),
    (#"{"labels": {"o": ".."}}"#, #"labels.o is "..", the name of a file in the model's folder is wanted"#),
    (#"{"inputs": {"i": 1}}"#, "inputs.i is a number, an object is wanted"),
    (#"{"versions": {"latest": 0}}"#, "versions.latest is 0, an integer of 1...1000000 is wanted"),
    (#"{"versions": {"specific": ["v1"]}}"#, #"versions.specific[0] is "v1", a version's number is wanted: write "1""#),
    (
      #"{"versions": {"all": true, "latest": 1}}"#,
      #"versions holds several choices: write one of {"latest": 1}, {"all": true}, {"specific": ["1"]}"#
    ),
    (
      #"{"versions": {}}"#,
      #"versions holds no choice: write one of {"latest": 1}, {"all": true}, {"specific": ["1"]}"#
    ),
    (
      #"{"deviceRequired": true}"#,
      #"deviceRequired is true, and no devices are named: add "devices": ["gpu"]"#
    ),
    ("{\n\"format\" 1}", "line 2: a colon is missing"),
    ("[]", "is an array, an object is wanted"),
  ])
  func `refuse what is wrong and name it`(text: String, problem: String) {
    let error = #expect(throws: ModelSettings.Problem.self) { try settings(text) }
    #expect(error?.description == problem)
  }

  @Test func `name everything that is wrong at once`() {
    let error = #expect(throws: ModelSettings.Problem.self) { try settings(#"{"timeoutMs": "1", "foo": 1}"#) }
    #expect(error?.description.hasPrefix("timeoutMs is a string, an integer is wanted; foo is not a known key") == true)
  }

  @Test func `that are wrong leave the model visible with the reason`() throws {
    let folder = TemporaryFolder()
    try folder.write("m/model.json", "{".utf8)
    try folder.write("m/1/model.onnx", [8])
    let model = try #require(ModelFolder.scan(root: folder.path).models.first)
    #expect(model.settingsProblem == "model.json: line 1: JSON ends too early")
    #expect(model.versions.count == 1)
    try folder.write("m/model.json", String(repeating: " ", count: 65537).utf8)
    #expect(
      ModelFolder.scan(root: folder.path).models.first?.settingsProblem
        == "model.json: has 65537 bytes, more than the 65536 allowed")
  }
}

@Suite struct `Wanted versions` {
  private let versions = [("3", 3), ("01", 1), ("10", 10)].map {
    VersionEntry(label: $0.0, number: $0.1, files: [])
  }

  @Test(arguments: [
    (ModelSettings.Versions.latest(1), ["10"]), (.latest(2), ["3", "10"]), (.latest(9), ["01", "3", "10"]),
    (.all, ["01", "3", "10"]), (.specific(["1", "003", "7"]), ["01", "3"]), (.specific([]), []),
  ])
  func `follow the settings`(choice: ModelSettings.Versions, wanted: [String]) {
    var settings = ModelSettings()
    settings.versions = choice
    #expect(settings.wantedVersions(of: versions).map(\.label) == wanted)
  }
}

@Suite struct `Labels of an output` {
  private let folder = TemporaryFolder()

  private func labels(_ bytes: some Sequence<UInt8>) throws -> [String] {
    try folder.write("m/model.json", #"{"labels": {"scores": "labels.txt"}}"#.utf8)
    try folder.write("m/labels.txt", bytes)
    return try #require(ModelFolder.scan(root: folder.path).models.first).labels(for: "scores")
  }

  @Test func `are the lines of the file`() throws {
    #expect(try labels("\u{FEFF}cat\r\ndog\n\nKätzchen\n".utf8) == ["cat", "dog", "", "Kätzchen"])
    #expect(try labels("cat\ndog".utf8) == ["cat", "dog"])
    #expect(try labels("".utf8) == [])
  }

  @Test func `are none where none are named`() throws {
    let model = ModelEntry(name: "m", path: folder.path, versions: [])
    #expect(try model.labels(for: "x") == [])
  }

  @Test func `fail clearly without the file, over a mebibyte and outside UTF-8`() throws {
    #expect(throws: HostError.self) { try labels([0xFF]) }
    #expect(throws: HostError.self) { try labels(repeatElement(65, count: 1 << 20 + 1)) }
    var settings = ModelSettings()
    settings.labels = ["x": "gone.txt"]
    let model = ModelEntry(name: "m", path: folder.path, versions: [], settings: settings)
    let error = #expect(throws: HostError.self) { try model.labels(for: "x") }
    #expect(error?.message == "labels of output x: gone.txt can't be opened: No such file or directory")
  }
}
