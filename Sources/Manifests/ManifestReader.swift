import Inference
import Wire

/// A manifest's text as values: checked by itself, before a look at the library it names.
struct ManifestReading {
  /// With the library's path as written; nil if there are problems.
  var manifest: RunnerManifest?
  /// The runner's id, where it is a good one.
  var id: String?
  var arch: String?
  /// How to get the library where it isn't there.
  var setup: String?
  var isEnabled = true
  var problems: [ManifestProblem] = []
  var notes: [ManifestProblem] = []
  /// What this parser knows, as `devices[0].kind`.
  var knownPaths: Set<String> = []
}

/// Reads the text of one manifest. Pure: no file is touched.
struct ManifestReader {
  /// Bytes; more is no manifest.
  static let byteLimit = 64 * 1024

  let file: String
  let text: [UInt8]

  func read() -> ManifestReading {
    var reading = ManifestReading()
    let value: JSONValue
    do throws(JSONError) {
      value = try JSONValue(parsing: text)
    } catch {
      reading.problems = [
        ManifestProblem(error.message, file: file, line: JSONLines.line(at: error.offset, in: text))
      ]
      return reading
    }
    guard let members = value.members else {
      reading.problems = [ManifestProblem("is \(value.kindName), an object is wanted", file: file, line: 1)]
      return reading
    }
    var fields = JSONFields(members)
    let manifest = manifest(&fields, &reading)
    fields.end()
    reading.problems = problems(fields.complaints, reading.id, .problem)
    reading.notes = problems(fields.notes, reading.id, .note)
    reading.knownPaths = fields.askedPaths
    if reading.problems.isEmpty { reading.manifest = manifest }
    return reading
  }

  private func problems(
    _ complaints: [JSONFields.Complaint], _ id: String?, _ severity: ManifestProblem.Severity
  ) -> [ManifestProblem] {
    guard !complaints.isEmpty else { return [] }
    let offsets = JSONLines.offsets(in: text)
    return complaints.map { complaint in
      ManifestProblem(
        complaint.message, file: file, key: complaint.key,
        line: offsets[complaint.key].map { JSONLines.line(at: $0, in: text) }, id: id,
        suggestion: complaint.suggestion, severity: severity)
    }
  }

  private func manifest(_ fields: inout JSONFields, _ reading: inout ManifestReading) -> RunnerManifest? {
    if let version = fields.text("manifestVersion", must: true), version.split(separator: ".").first != "1" {
      fields.complain("manifestVersion", "is \"\(version)\", this host reads 1.x", suggestion: "write \"1.0\"")
    }
    reading.id = Self.id(&fields)
    let title = fields.text("title")
    let version = Self.version(&fields)
    let abi = fields.object("abi", must: true) { abi in
      ABIVersion(
        major: abi.int("major", in: 0...65535, must: true) ?? 0, minor: abi.int("minor", in: 0...65535, must: true) ?? 0
      )
    }
    let library = fields.object("library", must: true, Self.library)
    reading.arch = library?.arch
    reading.setup = library?.setup
    let devices = fields.objects("devices", must: true) { Self.device(&$0) }
    let usable = devices?.compactMap(\.self)
    if let usable, usable.isEmpty, fields.complaints.allSatisfy({ !$0.key.hasPrefix("devices") }) {
      fields.complain("devices", "names no usable device", suggestion: "write [{\"kind\": \"cpu\"}]")
    }
    let models = fields.object("models", must: true, Self.models)
    let limits = fields.object("limits") { limits in
      RunnerManifest.Limits(
        models: limits.int("models", in: 1...Int.max), memoryBytes: limits.int("memoryBytes", in: 1...Int.max),
        loadTimeoutMs: limits.int("loadTimeoutMs", in: 1...Int.max / 1_000_000),
        cpuPercent: limits.int("cpuPercent", in: 1...1_000_000),
        killAfterMs: limits.int("killAfterMs", in: 1...86_400_000))
    }
    let access = fields.object("access") { fields in
      var access = RunnerManifest.Access()
      access.read = Self.paths(&fields, "read")
      access.write = Self.paths(&fields, "write")
      access.devices = Self.paths(&fields, "devices")
      return access
    }
    let isolation = fields.word("isolation", RunnerManifest.Isolation.self)
    let priority = fields.int("priority", in: -1_000_000...1_000_000)
    let options = fields.textMap("options")
    reading.isEnabled = fields.bool("enabled") ?? true
    let annotations = fields.textMap("annotations")
    guard let id = reading.id, let version, let abi, let library, let usable, let models else { return nil }
    var manifest = RunnerManifest(
      id: id, version: version, abi: abi, libraryPath: library.path, devices: usable, models: models, sourcePath: file)
    manifest.title = title
    manifest.sha256 = library.sha256
    manifest.limits = limits ?? RunnerManifest.Limits()
    manifest.access = access ?? RunnerManifest.Access()
    manifest.isolation = isolation ?? .process
    manifest.priority = priority ?? 0
    manifest.options = options ?? [:]
    manifest.annotations = annotations ?? [:]
    return manifest
  }

  private static func id(_ fields: inout JSONFields) -> String? {
    guard let id = fields.text("id", must: true) else { return nil }
    let labels = id.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    let isPlain = id.utf8.allSatisfy {
      isLowerCase($0) || isDigit($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
    }
    guard isPlain, id.utf8.count <= 128, labels.count >= 2, labels.allSatisfy({ !$0.isEmpty }) else {
      fields.complain(
        "id", "is \"\(id)\", a reverse domain of a-z, 0-9, '.' and '-' is wanted",
        suggestion: "write it like \"org.example.onnxruntime\"")
      return nil
    }
    return id
  }

  private static func paths(_ fields: inout JSONFields, _ key: String) -> [String] {
    let paths = fields.texts(key) ?? []
    for (index, path) in paths.enumerated()
    where !["/", "@host/", "@manifest/"].contains(where: { path.hasPrefix($0) }) {
      fields.complain(
        "\(key)[\(index)]", "is \"\(path)\", an absolute path is wanted",
        suggestion: "write it from / on, or with @manifest/ or @host/ before it")
    }
    return paths
  }

  private static func version(_ fields: inout JSONFields) -> String? {
    guard let version = fields.text("version", must: true) else { return nil }
    let parts = version.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    let isDotted = parts.allSatisfy { (1...9).contains($0.count) && $0.allSatisfy(isDigit) }
    guard isDotted, parts.count <= 8 else {
      fields.complain("version", "is \"\(version)\", dotted numbers are wanted", suggestion: "write it like \"0.1.0\"")
      return nil
    }
    return version
  }

  private static func library(
    _ fields: inout JSONFields
  ) -> (path: String, arch: String?, sha256: String?, setup: String?) {
    let path = fields.text("path", must: true) ?? ""
    if path.utf8.count > 4096 {
      fields.complain("path", "has \(path.utf8.count) bytes, more than the 4096 allowed")
    } else if !path.isEmpty && !path.utf8.contains(UInt8(ascii: "/")) {
      fields.complain(
        "path", "is the bare file name \"\(path)\", and no search path is used",
        suggestion: "write \"./\(path)\" (beside this manifest) or \"@host/\(path)\" (beside the host)")
    } else if path.hasSuffix("/") {
      fields.complain("path", "is \"\(path)\", a file is wanted")
    }
    let arch = fields.text("arch")
    if let arch, !arch.utf8.allSatisfy({ isLowerCase($0) || isDigit($0) || $0 == UInt8(ascii: "_") }) || arch.isEmpty {
      fields.complain("arch", "is \"\(arch)\", x86_64 or aarch64 is wanted")
    }
    let sha256 = fields.text("sha256")?.lowercased()
    if let sha256, sha256.utf8.count != 64 || !sha256.utf8.allSatisfy({ isDigit($0) || (97...102).contains($0) }) {
      fields.complain("sha256", "has \(sha256.utf8.count) characters, 64 hexadecimal digits are wanted")
    }
    return (path, arch, sha256, fields.text("setup"))
  }

  /// Nil for a kind that is no word: an odd device never hides the others.
  private static func device(_ fields: inout JSONFields) -> RunnerManifest.Device? {
    let name = fields.text("kind", must: true)
    let ordinal = fields.int("ordinal", in: 0...Int(Int32.max))
    let maxConcurrentRuns = fields.int("maxConcurrentRuns", in: 1...4096)
    guard let name else { return nil }
    guard let kind = DeviceKind(name) else {
      fields.note(
        "kind", "is \"\(name)\", which is no device kind: this device is skipped",
        suggestion: "write a lower-case word such as cpu, gpu, npu")
      return nil
    }
    return RunnerManifest.Device(kind: kind, ordinal: ordinal, maxConcurrentRuns: maxConcurrentRuns)
  }

  private static func models(_ fields: inout JSONFields) -> RunnerManifest.Models {
    var formats: [String] = []
    if let words = fields.texts("formats", must: true) {
      if words.isEmpty { fields.complain("formats", "is empty", suggestion: "write [\"onnx\"]") }
      for (index, word) in words.enumerated() where !formats.contains(word) {
        if isWord(word) {
          formats.append(word)
        } else {
          fields.complain("formats[\(index)]", "is \"\(word)\", a lower-case word such as onnx is wanted")
        }
      }
    }
    var elementTypes: Set<ElementType> = []
    if let words = fields.texts("elementTypes", must: true) {
      if words.isEmpty { fields.complain("elementTypes", "is empty", suggestion: "write [\"f32\"]") }
      let known = ElementType.allCases.map(\.manifestName)
      for (index, word) in words.enumerated() {
        if let type = ElementType(manifestName: word) {
          elementTypes.insert(type)
        } else {
          let likely = NearestWord.to(word, among: known) ?? ElementType(protocolWord: word)?.manifestName
          fields.complain(
            "elementTypes[\(index)]", "is \"\(word)\", which is no element type",
            suggestion: likely.map { "is \"\($0)\" meant?" } ?? "known: \(known.joined(separator: ", "))")
        }
      }
    }
    return RunnerManifest.Models(
      formats: formats, elementTypes: elementTypes, dynamicShapes: fields.bool("dynamicShapes", must: true) ?? false,
      streams: fields.bool("streams", must: true) ?? false, batching: fields.bool("batching") ?? false,
      cancel: fields.word("cancel", must: true) ?? .none)
  }

  /// A format's name: 1 to 32 of a-z, 0-9, '_' and '-', the first a letter.
  static func isWord(_ word: String) -> Bool {
    guard let first = word.utf8.first, isLowerCase(first), word.utf8.count <= 32 else { return false }
    return word.utf8.allSatisfy {
      isLowerCase($0) || isDigit($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
    }
  }

  private static func isLowerCase(_ byte: UInt8) -> Bool { (97...122).contains(byte) }
  private static func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
}

extension ElementType {
  /// By the protocol's word, as people copy it from elsewhere.
  fileprivate init?(protocolWord word: String) {
    let match = Self.allCases.first { "\($0.protocolName)" == word.uppercased() }
    guard let match else { return nil }
    self = match
  }
}
