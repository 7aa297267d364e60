import Inference
package import Wire

/// Turns `--input` arguments into a model's inputs.
package struct InputArguments {
  package let metadata: ModelMetadata
  /// `inputs` of the model's `model.json`.
  package let hints: JSONValue?
  package var byLine: Bool

  package struct Result {
    package var tensors: [DenseTensor] = []
    /// What a person should know, in whole sentences.
    package var notes: [String] = []
    /// Name of the first file, without its folder; nil when none was read.
    package var subject: String?
  }

  package init(metadata: ModelMetadata, hints: JSONValue? = nil, byLine: Bool = false) {
    self.metadata = metadata
    self.hints = hints
    self.byLine = byLine
  }

  /// - Parameter arguments: `NAME=FILE`, `NAME=JSON`, or only the value where one input is left; `-` reads standard
  ///   input. What exists as a file is a file.
  /// - Returns: Tensors in the model's order.
  /// - Throws: `UsageError` for names, `HostError` for what can't be read.
  package func read(_ arguments: [String]) throws -> Result {
    var result = Result()
    var values: [String: String] = [:]
    for argument in arguments {
      let (name, value) = try split(argument)
      guard values.updateValue(value, forKey: name) == nil else { throw UsageError("input \(name) is given twice") }
    }
    for spec in metadata.inputs {
      guard let value = values[spec.name] else {
        throw UsageError(
          "input \(spec.name) (\(spec.elementType.protocolName) \(spec.shape)) is missing; add --input \(spec.name)=FILE"
        )
      }
      var reader = TensorReader(spec, hints: try InputHints(hints?[spec.name], input: spec.name))
      reader.byLine = byLine
      if value == "-" || FileBytes.exists(value) {
        let (tensor, note) = try reader.read(file: FileBytes.read(value))
        result.tensors.append(tensor)
        if let note { result.notes.append(note) }
        if result.subject == nil {
          result.subject = value == "-" ? "standard input" : value.split(separator: "/").last.map(String.init)
        }
      } else {
        guard let json = try? JSONValue(parsing: value) else {
          throw HostError(.notFound, "input \(spec.name): no file \(value), and it is no JSON value")
        }
        result.tensors.append(try reader.read(json: json))
      }
    }
    return result
  }

  private func split(_ argument: String) throws(UsageError) -> (name: String, value: String) {
    let names = metadata.inputs.map(\.name)
    // A name may hold '=' itself: the longest that fits.
    let match = names.filter { argument.hasPrefix($0 + "=") }.max { $0.utf8.count < $1.utf8.count }
    if let match { return (match, String(argument.dropFirst(match.count + 1))) }
    let isValue = FileBytes.exists(argument) || !argument.contains("=") || "[{\"".contains(argument.first ?? " ")
    if isValue, names.count == 1 { return (names[0], argument) }
    let list = names.joined(separator: ", ")
    if isValue { throw UsageError("\(metadata.name) has inputs \(list); write --input NAME=\(argument)") }
    let wrong = String(argument.prefix { $0 != "=" })
    let nearest = NearestWord.to(wrong, among: names).map { "did you mean \($0)?" }
    throw UsageError("\(metadata.name) has no input \"\(wrong)\"; \(nearest ?? "its inputs are \(list)")")
  }
}
