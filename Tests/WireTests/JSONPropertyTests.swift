import Testing

@testable import Wire

@Suite struct `JSON from random input` {
  private func value(_ random: inout SplitMix, depth: Int) -> JSONValue {
    switch Int.random(in: 0..<(depth < 5 ? 7 : 5), using: &random) {
    case 0: return .null
    case 1: return .bool(Bool.random(using: &random))
    case 2: return .integer(Int64(bitPattern: random.next()))
    case 3: return .number(printNumbers([Double.random(in: -1e20...1e20, using: &random)], .f64))
    case 4: return .string(text(&random))
    case 5: return .array((0..<Int.random(in: 0...5, using: &random)).map { _ in value(&random, depth: depth + 1) })
    default:
      return .object(
        (0..<Int.random(in: 0...5, using: &random)).map {
          JSONValue.Member("\($0)" + text(&random), value(&random, depth: depth + 1))
        })
    }
  }

  private func text(_ random: inout SplitMix) -> String {
    let ranges: [ClosedRange<UInt32>] = [0...0x7F, 0x20...0x7E, 0x80...0x7FF, 0xE000...0xFFFF, 0x10000...0x10FFFF]
    var text = ""
    for _ in 0..<Int.random(in: 0...24, using: &random) {
      let range = ranges.randomElement(using: &random)!
      text.unicodeScalars.append(Unicode.Scalar(UInt32.random(in: range, using: &random))!)
    }
    return text
  }

  @Test func `what is written is read back the same`() throws {
    var random = seeded("values")
    for _ in 0..<3000 {
      let wanted = value(&random, depth: 0)
      #expect(try JSONValue(parsing: wanted.text) == wanted)
    }
  }

  @Test func `10,000 mutations are read or refused, never more`() {
    var random = seeded("mutations")
    let interesting = Array("\"\\{}[],:0-.eEu\u{0}\n x".utf8) + [0x80, 0xC3, 0xED, 0xFF]
    for _ in 0..<10_000 {
      var bytes = Array(value(&random, depth: 2).text.utf8)
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let index = Int.random(in: 0...bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes.insert(interesting.randomElement(using: &random)!, at: index)
        case 1: if index < bytes.count { bytes[index] = interesting.randomElement(using: &random)! }
        case 2: if index < bytes.count { bytes.remove(at: index) }
        default: bytes.removeLast(bytes.count - index)
        }
      }
      do {
        let read = try JSONValue(parsing: bytes)
        #expect(try JSONValue(parsing: read.text) == read)
      } catch {
        #expect((0...bytes.count).contains(error.offset))
      }
    }
  }
}
