import CStadionRunner
import Glibc

/// What is checked: a library, and the model that runs are made with.
package struct Subject: Sendable {
  package let path: String
  /// The model's file; nil for runners that need none.
  package let model: String?
  /// For `load`, as in model.json.
  package let options: [Option]
  /// For `create`, as in the manifest.
  package let runnerOptions: [Option]
  /// Of the leak check; nil is its own choice.
  package let loads: Int?

  package struct Option: Sendable {
    package let key: String
    package let value: String

    /// - Returns: Nil unless `text` is KEY=VALUE.
    package init?(_ text: String) {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty else { return nil }
      self.init(String(parts[0]), String(parts[1]))
    }

    init(_ key: String, _ value: String) {
      self.key = key
      self.value = value
    }
  }

  package init(path: String, model: String?, options: [Option], runnerOptions: [Option], loads: Int?) {
    self.path = path
    self.model = model
    self.options = options
    self.runnerOptions = runnerOptions
    self.loads = loads
  }

  /// Whether there is something to load.
  package var hasModel: Bool { model != nil || !options.isEmpty }

  /// The command line that a check's process is started with.
  var words: [String] {
    var words = ["--library", path]
    if let model { words += ["--model", model] }
    for option in options { words += ["--option", "\(option.key)=\(option.value)"] }
    for option in runnerOptions { words += ["--runner-option", "\(option.key)=\(option.value)"] }
    if let loads { words += ["--loads", String(loads)] }
    return words
  }
}

/// Swift text as the contract's views: each ends at a byte that isn't 0, as views have no NUL. Never freed.
enum Views {
  static func text(_ text: String) -> stadion_text {
    let bytes = Array(text.utf8)
    let memory = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
    for (index, byte) in bytes.enumerated() { memory[index] = CChar(bitPattern: byte) }
    memory[bytes.count] = CChar(bitPattern: UInt8(ascii: "~"))
    return stadion_text(data: memory, size: bytes.count)
  }

  static func options(_ options: [Subject.Option]) -> UnsafeMutableBufferPointer<stadion_option> {
    let list = UnsafeMutableBufferPointer<stadion_option>.allocate(capacity: options.count)
    for (index, option) in options.enumerated() {
      list.initializeElement(at: index, to: stadion_option(key: text(option.key), value: text(option.value)))
    }
    return list
  }
}
