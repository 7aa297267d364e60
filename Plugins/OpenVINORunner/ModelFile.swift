import Glibc

/// What the runner reads in a model's file itself, since the engine doesn't say it.
enum ModelFile {
  /// Whether a run leaves something behind for the next: IR with variables.
  static func keepsState(_ path: String) -> Bool {
    guard path.hasSuffix(".xml") else { return false }
    let word = "\"ReadValue\""
    return withBytes(of: path) { memmem($0.baseAddress!, $0.count, word, word.utf8.count) != nil } ?? false
  }

  /// The inputs that an ONNX file declares; nil for another file, or one that isn't whole.
  static func onnxInputs(_ path: String) -> Set<String>? {
    guard path.hasSuffix(".onnx") else { return nil }
    let graphOfModel = 7
    let inputOfGraph = 11
    let nameOfInput = 1
    return withBytes(of: path) { bytes -> Set<String>? in
      var names: Set<String> = []
      let isWhole = Protobuf.forEach(graphOfModel, in: bytes) { graph in
        Protobuf.forEach(inputOfGraph, in: graph) { input in
          Protobuf.forEach(nameOfInput, in: input) { name in
            names.insert(String(decoding: name, as: UTF8.self))
            return true
          }
        }
      }
      return isWhole ? names : nil
    } ?? nil
  }

  private static func withBytes<Result>(of path: String, _ body: (UnsafeRawBufferPointer) -> Result) -> Result? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_size > 0 else { return nil }
    let count = Int(status.st_size)
    guard let start = mmap(nil, count, PROT_READ, MAP_PRIVATE, file, 0), start != MAP_FAILED else { return nil }
    defer { munmap(start, count) }
    return body(UnsafeRawBufferPointer(start: start, count: count))
  }
}

/// As much of protobuf's wire format as it takes to step over what isn't wanted.
private enum Protobuf {
  /// Calls `body` with each field of number `field` that has a length.
  ///
  /// - Returns: False when the message isn't whole, or `body` said so.
  static func forEach(
    _ field: Int, in message: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Bool
  ) -> Bool {
    var at = 0
    while at < message.count {
      guard let tag = number(message, &at) else { return false }
      switch tag & 7 {
      case 0: if number(message, &at) == nil { return false }
      case 1: at += 8
      case 5: at += 4
      case 2:
        guard let count = number(message, &at), count <= UInt64(message.count - at) else { return false }
        let end = at + Int(count)
        if tag >> 3 == UInt64(field), !body(UnsafeRawBufferPointer(rebasing: message[at..<end])) { return false }
        at = end
      default: return false
      }
    }
    return at == message.count
  }

  /// A varint; `at` moves behind it.
  private static func number(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard at < bytes.count else { return nil }
      let byte = bytes[at]
      at += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte & 0x80 == 0 { return value }
    }
    return nil
  }
}
