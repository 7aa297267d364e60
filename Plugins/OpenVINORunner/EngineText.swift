/// What OpenVINO says of a failure, made fit for callers. Pure.
enum EngineText {
  /// One line, without the engine's source files and the folders of this machine.
  ///
  /// - Parameter path: Of the model; only its file's name is kept.
  static func cleaned(_ text: String, path: String? = nil) -> String {
    var text = text
    if let path, let name = path.split(separator: "/").last {
      text = text.split(separator: path, omittingEmptySubsequences: false).joined(separator: String(name))
    }
    let lines = text.split(separator: "\n").compactMap { line -> String? in
      if line.hasPrefix("Exception from ") || line.hasPrefix("FrontEnd API failed with") { return nil }
      // "Check 'what has to hold' failed at file:line:"
      if line.hasPrefix("Check '"), line.hasSuffix(":"), line.contains(" failed at ") { return nil }
      return line.split(separator: " ").joined(separator: " ")
    }
    let joined = lines.filter { !$0.isEmpty }.joined(separator: " ")
    return joined.isEmpty ? text.split(separator: "\n").joined(separator: " ") : joined
  }

  /// Whether it is the engine that can't, rather than the file that is wrong.
  static func isUnsupported(_ text: String) -> Bool {
    ["No conversion rule found", "doesn't support", "not supported", "unsupported"].contains { text.contains($0) }
  }
}
