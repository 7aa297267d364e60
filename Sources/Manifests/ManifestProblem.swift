/// Something about a manifest that its author should know: which file, where in it, what, and what to do.
package struct ManifestProblem: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Severity: String, Sendable {
    /// Harmless, as an unknown key: for the log at `info`.
    case note
    /// Harmless now, risky later, as a folder others may write to: for the log at `warning`, at each start.
    case warning
    /// The manifest is not used.
    case problem
  }

  package var severity: Severity
  /// The manifest, or the folder that was searched.
  package var file: String
  /// As `library.path` or `devices[1].kind`.
  package var key: String?
  /// Counted from 1.
  package var line: Int?
  /// The runner, where the file got as far as naming it.
  package var id: String?
  package var message: String
  package var suggestion: String?

  package init(
    _ message: String, file: String, key: String? = nil, line: Int? = nil, id: String? = nil,
    suggestion: String? = nil, severity: Severity = .problem
  ) {
    self.severity = severity
    self.file = file
    self.key = key
    self.line = line
    self.id = id
    self.message = message
    self.suggestion = suggestion
  }

  /// `file:line: key: message; suggestion`.
  package var description: String {
    var text = file
    if let line { text += ":\(line)" }
    if let key { text += ": \(key)" }
    text += ": \(message)"
    if let suggestion { text += "; \(suggestion)" }
    return text
  }
}
