import Glibc

/// Formats of model files: known by the file's name, confirmed by its first bytes.
enum ModelFormat {
  /// Names as people know them from Triton and KServe; a version's files stand in this order.
  static let known: [(fileName: String, format: String)] = [
    ("model.onnx", "onnx"), ("model.tflite", "tflite"), ("saved_model", "saved_model"), ("model.xml", "openvino"),
    ("model.pt", "pt"),
  ]

  /// Ends of names that are no model: parts of one, or about one.
  static let companions: Set<String> = ["bin", "json", "txt", "md", "data", "lock", "tmp", "part", "sha256"]

  /// The format that a name in a version folder stands for: `model.<format>`; nil for any other name.
  static func named(by fileName: String) -> String? {
    if let match = known.first(where: { $0.fileName == fileName }) { return match.format }
    guard fileName.hasPrefix("model.") else { return nil }
    let word = String(fileName.dropFirst("model.".count))
    return isWord(word) && !companions.contains(word) ? word : nil
  }

  /// 1 to 32 of a-z, 0-9, '_' and '-', the first a letter.
  static func isWord(_ word: String) -> Bool {
    guard let first = word.utf8.first, (97...122).contains(first), word.utf8.count <= 32 else { return false }
    return word.utf8.allSatisfy {
      (97...122).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
    }
  }

  /// What the content says against the format; nil if nothing, and for formats nobody here knows.
  ///
  /// - Parameter path: A file, for SavedModel a folder. Blocks: reads up to 64 bytes.
  static func mismatch(of path: String, with format: String) -> String? {
    if format == "saved_model" {
      var status = stat()
      let isThere = stat("\(path)/saved_model.pb", &status) == 0 && status.st_mode & S_IFMT == S_IFREG
      return isThere ? nil : "has no saved_model.pb"
    }
    guard ["onnx", "tflite", "openvino", "pt"].contains(format) else { return nil }
    guard let head = firstBytes(of: path) else { return "can't be read: \(String(cString: strerror(errno)))" }
    if head.isEmpty { return "is empty" }
    switch format {
    case "onnx": return head[0] == 0x08 ? nil : "is no ONNX file (it doesn't begin with ir_version)"
    case "tflite": return head.dropFirst(4).starts(with: "TFL3".utf8) ? nil : "is no TFLite file (no TFL3 at byte 4)"
    case "pt": return head.starts(with: "PK".utf8) ? nil : "is no TorchScript file (no zip archive)"
    default:
      // A byte order mark and white space may stand before XML.
      let text = head.starts(with: [0xEF, 0xBB, 0xBF]) ? head.dropFirst(3) : head[...]
      return text.first { !([9, 10, 13, 32] as [UInt8]).contains($0) } == UInt8(ascii: "<") ? nil : "is no XML file"
    }
  }

  private static func firstBytes(of path: String) -> [UInt8]? {
    let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 64)
    let got = bytes.withUnsafeMutableBytes { read(file, $0.baseAddress, $0.count) }
    return got < 0 ? nil : Array(bytes.prefix(got))
  }
}
