/// An element of a provider's answer, with everything in it. Attributes are left out, so are names' prefixes.
///
/// Reads what providers write: no document types, no entities of their own. Anything else is no document here.
struct XMLElement {
  let name: String
  private(set) var text = ""
  private(set) var children: [XMLElement] = []

  func text(of child: String) -> String? { children.first { $0.name == child }?.text }
  func child(_ name: String) -> XMLElement? { children.first { $0.name == name } }
  func children(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }

  private static let maxDepth = 32

  private init(name: String) { self.name = name }

  init?(parsing bytes: [UInt8]) {
    var open: [XMLElement] = []
    var rest = bytes[...]
    while let start = rest.firstIndex(of: UInt8(ascii: "<")) {
      if !open.isEmpty {
        guard let text = Self.decode(rest[..<start]) else { return nil }
        open[open.count - 1].text += text
      }
      guard let end = rest[start...].firstIndex(of: UInt8(ascii: ">")) else { return nil }
      let tag = rest[(start + 1)..<end]
      rest = rest[(end + 1)...]
      switch tag.first {
      case UInt8(ascii: "?"): continue
      case nil, UInt8(ascii: "!"): return nil
      case UInt8(ascii: "/"):
        guard let element = open.popLast(), Self.name(tag.dropFirst()) == element.name else { return nil }
        if open.isEmpty {
          self = element
          return
        }
        open[open.count - 1].children.append(element)
      default:
        let element = XMLElement(name: Self.name(tag))
        if tag.last != UInt8(ascii: "/") {
          guard open.count < Self.maxDepth else { return nil }
          open.append(element)
        } else if open.isEmpty {
          self = element
          return
        } else {
          open[open.count - 1].children.append(element)
        }
      }
    }
    return nil
  }

  private static func name(_ tag: ArraySlice<UInt8>) -> String {
    let whole = tag.prefix { $0 > 0x20 && $0 != UInt8(ascii: "/") }
    let local = whole.firstIndex(of: UInt8(ascii: ":")).map { whole[($0 + 1)...] } ?? whole
    return String(decoding: local, as: UTF8.self)
  }

  /// Text with its references resolved; nil for one that isn't XML's own.
  private static func decode(_ bytes: ArraySlice<UInt8>) -> String? {
    var out = ""
    var rest = bytes
    while let start = rest.firstIndex(of: UInt8(ascii: "&")) {
      out += String(decoding: rest[..<start], as: UTF8.self)
      guard let end = rest[start...].firstIndex(of: UInt8(ascii: ";")) else { return nil }
      guard let character = character(String(decoding: rest[(start + 1)..<end], as: UTF8.self)) else { return nil }
      out.unicodeScalars.append(character)
      rest = rest[(end + 1)...]
    }
    return out + String(decoding: rest, as: UTF8.self)
  }

  private static func character(_ reference: String) -> Unicode.Scalar? {
    switch reference {
    case "amp": "&"
    case "lt": "<"
    case "gt": ">"
    case "quot": "\""
    case "apos": "'"
    case _ where reference.hasPrefix("#x"): UInt32(reference.dropFirst(2), radix: 16).flatMap(Unicode.Scalar.init)
    case _ where reference.hasPrefix("#"): UInt32(reference.dropFirst()).flatMap(Unicode.Scalar.init)
    default: nil
    }
  }

  /// Text as it stands between tags.
  static func encode(_ text: String) -> String {
    text.reduce(into: "") { out, character in
      switch character {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&quot;"
      default: out.append(character)
      }
    }
  }
}
