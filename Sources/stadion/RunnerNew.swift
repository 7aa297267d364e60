import Glibc
import Inference
import StadionClient

/// `stadion runner new`: a folder that builds a runner without this repository.
enum RunnerNew {
  static let spec = CommandSpec(
    "stadion runner new", "Write a folder that builds a runner of your own.", operands: ["NAME"],
    options: [
      .init("--language", value: "c|cpp|swift", help: "What the runner is written in (default: c)."),
      .init("--folder", value: "DIR", help: "The folder to write; must not be there yet (default: NAME)."),
      .init("--id", value: "ID", help: "Reverse domain of a-z 0-9 . and - (default: org.example.NAME)."),
    ],
    details: """
      NAME is a letter and up to 31 of a-z 0-9 and -. It is also the word of the model format: models of it are files
      named model.NAME. The folder holds the runner, the header it is compiled against, a manifest, a test, a model and
      a Makefile: `make` builds, `make test` tries it, `make check` runs `stadion runner check` on it.
      """)

  @Sendable static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    let name = try checked(name: arguments.operands[0])
    let id = try checked(id: arguments.value("--id") ?? "org.example.\(name)")
    let word = arguments.value("--language") ?? "c"
    guard let language = RunnerLanguage(rawValue: word) else {
      throw UsageError("--language wants c, cpp or swift, not \"\(word)\"")
    }
    let folder = arguments.value("--folder") ?? name
    guard !folder.isEmpty else { throw UsageError("--folder wants a folder that isn't there yet") }
    // Everything is read before anything is written.
    let files = try RunnerTemplate(name: name, id: id, language: language).files(of: AuthorsKit.find())
    guard mkdir(folder, 0o755) == 0 else {
      let advice =
        errno == EEXIST ? "it is there already; name another with --folder" : String(cString: strerror(errno))
      throw HostError(.conflict, "can't make \(folder): \(advice)")
    }
    for file in files {
      try makeFolders(above: file.path, in: folder)
      try FileBytes.write(file.bytes, to: "\(folder)/\(file.path)")
    }
    print(
      "\(folder): runner \(id) for model.\(name), in \(language.title). Go on with: cd \(folder) && make && make test && make check"
    )
  }

  private static func makeFolders(above path: String, in folder: String) throws {
    var made = folder
    for part in path.split(separator: "/").dropLast() {
      made += "/\(part)"
      try FileBytes.makeFolder(made)
    }
  }

  /// Words that stand behind `model.` in names of files that are no model, or of formats that the host knows itself.
  private static let taken: Set<String> = [
    "bin", "json", "txt", "md", "data", "lock", "tmp", "part", "sha256", "onnx", "tflite", "openvino", "pt", "xml",
  ]

  private static func checked(name: String) throws -> String {
    let bytes = Array(name.utf8)
    let isPlain = bytes.allSatisfy { isLowerCaseOrDigit($0) || $0 == UInt8(ascii: "-") }
    guard let first = bytes.first, (97...122).contains(first), isPlain, bytes.count <= 32, bytes.last != 45 else {
      throw UsageError("NAME is \"\(name)\"; it wants a letter, then up to 31 of a-z 0-9 and -, as my-runner")
    }
    if taken.contains(name) {
      throw UsageError(
        "NAME is \"\(name)\", and model.\(name) means something else already; take another, as my-\(name)")
    }
    return name
  }

  /// As manifests want it; see `ManifestReader`.
  private static func checked(id: String) throws -> String {
    let labels = id.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    let isPlain = labels.allSatisfy { label in
      !label.isEmpty && label.allSatisfy { isLowerCaseOrDigit($0) || $0 == UInt8(ascii: "-") }
    }
    guard labels.count >= 2, isPlain, id.utf8.count <= 128 else {
      throw UsageError("--id is \"\(id)\"; it wants a reverse domain of a-z 0-9 . and -, as org.example.my-runner")
    }
    return id
  }

  private static func isLowerCaseOrDigit(_ byte: UInt8) -> Bool {
    (97...122).contains(byte) || (48...57).contains(byte)
  }
}
