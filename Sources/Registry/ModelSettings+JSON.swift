import Inference
import Wire

extension ModelSettings {
  /// Bytes of `model.json`; more is refused.
  package static let byteLimit = 64 * 1024

  /// What is wrong with a `model.json`: everything at once, one line each, joined by "; ".
  package struct Problem: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String
  }

  /// Checks everything; an unknown key is an error, because a setting that silently does nothing costs an afternoon.
  package init(parsing text: [UInt8]) throws(Problem) {
    let value: JSONValue
    do throws(JSONError) {
      value = try JSONValue(parsing: text)
    } catch {
      let line = 1 + text.prefix(error.offset).reduce(0) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) }
      throw Problem(description: "line \(line): \(error.message)")
    }
    guard let members = value.members else {
      throw Problem(description: "is \(value.kindName), an object is wanted")
    }
    var fields = JSONFields(members)
    self.init(&fields)
    fields.end()
    let complaints = fields.complaints + fields.notes
    guard complaints.isEmpty else {
      let texts = complaints.map { "\($0.key) \($0.message)" + ($0.suggestion.map { ": \($0)" } ?? "") }
      throw Problem(description: texts.joined(separator: "; "))
    }
  }

  private init(_ fields: inout JSONFields) {
    description = fields.text("description")
    format = fields.text("format")
    if let format, !ModelFormat.isWord(format) {
      fields.complain("format", "is \"\(format)\", a lower-case word such as onnx is wanted")
    }
    runners = fields.texts("runners") ?? []
    for (index, runner) in runners.enumerated() where runner.isEmpty {
      fields.complain("runners[\(index)]", "is empty, a runner's id is wanted")
    }
    for (index, word) in (fields.texts("devices") ?? []).enumerated() {
      if let kind = DeviceKind(word) {
        devices.append(kind)
      } else {
        fields.complain("devices[\(index)]", "is \"\(word)\", a lower-case word such as cpu or gpu is wanted")
      }
    }
    deviceRequired = fields.bool("deviceRequired") ?? false
    if deviceRequired && devices.isEmpty {
      fields.complain("deviceRequired", "is true, and no devices are named", suggestion: "add \"devices\": [\"gpu\"]")
    }
    options = fields.textMap("options") ?? [:]
    let runnerOptions = fields.object("runnerOptions") { ids in
      var options: [String: [String: String]] = [:]
      for id in ids.keys { options[id] = ids.textMap(id) }
      return options
    }
    self.runnerOptions = runnerOptions ?? [:]
    for id in self.runnerOptions.keys.sorted() where !runners.isEmpty && !runners.contains(id) {
      fields.complain("runnerOptions.\(id)", "is for a runner that \"runners\" leaves out")
    }
    if let choices = fields.object("versions", Self.versions) {
      if choices.count == 1 {
        versions = choices[0]
      } else if fields.complaints.allSatisfy({ !$0.key.hasPrefix("versions.") }) {
        fields.complain(
          "versions", "holds \(choices.isEmpty ? "no choice" : "several choices")",
          suggestion: "write one of {\"latest\": 1}, {\"all\": true}, {\"specific\": [\"1\"]}")
      }
    }
    maxConcurrentRuns = fields.int("maxConcurrentRuns", in: 1...4096)
    queueLimit = fields.int("queueLimit", in: 0...1_000_000) ?? 1024
    timeoutMs = fields.int("timeoutMs", in: 0...86_400_000) ?? 0
    labels = fields.textMap("labels") ?? [:]
    for (output, file) in labels.sorted(by: { $0.key < $1.key }) where !ModelFolder.isPlainName(file) {
      fields.complain("labels.\(output)", "is \"\(file)\", the name of a file in the model's folder is wanted")
    }
    let inputs = fields.object("inputs") { inputs in
      var hints: [String: JSONValue] = [:]
      for key in inputs.keys {
        guard let hint = inputs.any(key) else { continue }
        if hint.members == nil { inputs.complain(key, "is \(hint.kindName), an object is wanted") }
        hints[key] = hint
      }
      return hints
    }
    self.inputs = inputs ?? [:]
  }

  private static func versions(_ fields: inout JSONFields) -> [Versions] {
    let latest = fields.int("latest", in: 1...1_000_000)
    let all = fields.bool("all")
    let specific = fields.texts("specific")
    for (index, label) in (specific ?? []).enumerated() where ModelFolder.number(ofVersion: label) == nil {
      fields.complain("specific[\(index)]", "is \"\(label)\", a version's number is wanted", suggestion: "write \"1\"")
    }
    var choices: [Versions] = []
    if let latest { choices.append(.latest(latest)) }
    if all == true { choices.append(.all) }
    if let specific { choices.append(.specific(specific)) }
    return choices
  }
}
