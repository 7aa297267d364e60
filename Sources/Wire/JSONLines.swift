/// Finds lines in a JSON text, for messages. Only used once something is wrong.
package enum JSONLines {
  /// Counted from 1.
  package static func line(at offset: Int, in text: [UInt8]) -> Int {
    1 + text.prefix(max(0, offset)).reduce(0) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) }
  }

  /// Where each member's key, or each element, stands, by paths as `devices[1].kind`. Empty if the text is no JSON.
  package static func offsets(in text: [UInt8]) -> [String: Int] {
    var offsets: [String: Int] = [:]
    text.withUnsafeBytes { bytes in
      var reader = JSONReader(bytes)
      do throws(JSONError) {
        try collect(&reader, at: "", into: &offsets)
      } catch {
        offsets = [:]
      }
    }
    return offsets
  }

  private static func collect(
    _ reader: inout JSONReader, at path: String, into offsets: inout [String: Int]
  ) throws(JSONError) {
    switch try reader.peek() {
    case .object:
      try reader.beginObject()
      while let key = try reader.nextKey() {
        let place = path.isEmpty ? key.string : "\(path).\(key.string)"
        offsets[place] = key.offset
        try collect(&reader, at: place, into: &offsets)
      }
    case .array:
      var index = 0
      try reader.beginArray()
      while try reader.nextElement() {
        reader.skipWhitespace()
        offsets["\(path)[\(index)]"] = reader.position
        try collect(&reader, at: "\(path)[\(index)]", into: &offsets)
        index += 1
      }
    default: try reader.skipValue()
    }
  }
}
