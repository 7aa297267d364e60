import Testing

@testable import Inference

@Suite struct `Hot lines` {
  private func count(_ pieces: [(start: Int, byteCount: Int)]) -> Int {
    var lines = HotLines()
    for piece in pieces {
      guard let start = UnsafeRawPointer(bitPattern: piece.start) else { continue }
      lines.add(start, piece.byteCount)
    }
    // None of these can be read.
    lines.fetch()
    return lines.count
  }

  @Test func `are all that a piece of memory touches, each once`() {
    #expect(count([(4096, 64)]) == 1)
    #expect(count([(4095, 66)]) == 3)
    #expect(count([(4096, 128), (4160, 64), (4224, 1), (4096, 0)]) == 3)
    // The second is on both sides of the first, the last between two.
    #expect(count([(4160, 64), (4096, 192), (4352, 64), (4288, 64)]) == 5)
  }

  @Test func `are no more than there is room for`() {
    #expect(count([(4096, 1 << 20), (1 << 30, 64)]) == 33)
    #expect(count((1...20).map { ($0 << 20, 64) }) == 14)
  }
}
