import Inference
package import Wire

/// An inference answer for people: scores as words, tensors as a line each.
package struct AnswerReport {
  /// What was asked about, a file's name for example.
  package let subject: String

  package init(subject: String) { self.subject = subject }

  /// Lines for an output that came as a classification: `value:index[:label]` elements, best first, a row per item.
  ///
  /// - Returns: Nil when the elements are something else.
  package func scores(_ output: DenseTensor) -> String? {
    guard output.elementType == .utf8, let elements = try? output.byteElements(), !elements.isEmpty else { return nil }
    var scores: [(value: Double, label: String)] = []
    for element in elements {
      let parts = String(decoding: element, as: UTF8.self).split(
        separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count >= 2, let value = Double(parts[0]), Int(parts[1]) != nil else { return nil }
      let label = parts.count > 2 && !parts[2].isEmpty ? String(parts[2]) : "number \(parts[1])"
      scores.append((value, Table.printable(label)))
    }
    // Scores from 0 to 1 are shares; the protocol prints six decimals, so 1 may read as 1.000000.
    let isShare = scores.allSatisfy { (0...1.000_001).contains($0.value) }
    let perRow = output.shape.count == 2 ? max(1, Int(output.shape[1])) : scores.count
    var lines: [String] = []
    for (index, score) in scores.enumerated() {
      let value = isShare ? "\((score.value * 1000).rounded() / 10) %" : Self.short(score.value)
      if index % perRow > 0 {
        lines.append("  \(score.label) \(value)")
      } else {
        let row = scores.count > perRow ? " [\(index / perRow)]" : ""
        lines.append("\(Table.printable(subject))\(row) is \(score.label) (\(value))")
      }
    }
    return lines.joined(separator: "\n")
  }

  /// `name  FP32 [1, 1000]  min 0.1 max 3 mean 1  0.5, 0.25, 1, …`
  package func summary(_ output: DenseTensor) -> String {
    let shape = "[\(output.shape.map(String.init).joined(separator: ", "))]"
    var line = "\(Table.printable(output.name))  \(output.elementType.protocolName) \(shape)"
    let shown = 8
    let count = output.elementCount ?? 0
    if count > shown, output.elementType != .utf8 {
      var least = Double.infinity
      var most = -Double.infinity
      var sum = 0.0
      output.forEachNumber {
        least = min(least, $0)
        most = max(most, $0)
        sum += $0
      }
      line += "  min \(Self.short(least)) max \(Self.short(most)) mean \(Self.short(sum / Double(count)))"
    }
    let first = (try? output.elementsAsJSON(limit: shown)) ?? []
    line += "  " + first.map { Self.short($0.text) }.joined(separator: ", ")
    return count > shown ? line + ", …" : line
  }

  /// The protocol's response with every element as JSON.
  package static func json(_ answer: InferenceAnswer) throws -> JSONValue {
    var members: [JSONValue.Member] = []
    if let id = answer.id { members.append(.init("id", .string(id))) }
    members.append(.init("model_name", .string(answer.modelName)))
    if let version = answer.modelVersion { members.append(.init("model_version", .string(version))) }
    if let parameters = answer.parameters { members.append(.init("parameters", parameters)) }
    let outputs = try answer.outputs.map { output -> JSONValue in
      [
        "name": .string(output.name), "datatype": .string(output.elementType.protocolName.description),
        "shape": .array(output.shape.map { .integer($0) }), "data": .array(try output.elementsAsJSON()),
      ]
    }
    members.append(.init("outputs", .array(outputs)))
    return .object(members)
  }

  /// Four significant digits: enough to compare by eye.
  static func short(_ value: Double) -> String {
    guard value.isFinite, value != 0 else { return value == 0 ? "0" : value.description }
    var scale = 1.0
    let size = value.magnitude
    if size >= 1e15 || size < 1e-4 { return value.description }
    while size * scale < 1000 { scale *= 10 }
    return plain((value * scale).rounded() / scale)
  }

  private static func plain(_ value: Double) -> String {
    let text = value.description
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  private static func short(_ text: String) -> String {
    let limit = 60  // a few fit on a line of a terminal
    return Table.printable(text.count > limit ? text.prefix(limit) + "…" : text)
  }
}
