import Testing

@testable import Running

@Suite struct `The space of an arena` {
  private static let all = 0..<64 << 20

  @Test(arguments: [0, 1, 16384, 16385, 32768, 40000, 65536, 65537, 602_112, 1 << 20, 1 << 30])
  func `ranges are at most a quarter larger than asked, above 64 KB`(byteCount: Int) {
    let size = ArenaSpace.size(for: byteCount)
    #expect(size >= byteCount && size % ArenaSpace.smallest == 0)
    if byteCount > 65536 { #expect(size <= byteCount + byteCount / 4) }
  }

  @Test func `gives each byte once, and takes all of it back, in any order`() {
    var dice = SystemRandomNumberGenerator()
    let seed = dice.next()
    print("seed of ranges: \(seed)")
    var random = Numbers(state: seed)
    var space = ArenaSpace(Self.all, warmLimit: 1 << 20)
    var held: [(offset: Int, byteCount: Int)] = []
    for _ in 0..<20_000 {
      if held.isEmpty || random.next() % 5 < 3 {
        let byteCount = Int(random.next() % (1 << (10 + random.next() % 13)))
        guard let taken = space.take(byteCount) else { continue }
        let range = taken.offset..<taken.offset + ArenaSpace.size(for: byteCount)
        #expect(Self.all.contains(range.lowerBound) && range.upperBound <= Self.all.upperBound)
        #expect(!held.contains { range.overlaps($0.offset..<$0.offset + ArenaSpace.size(for: $0.byteCount)) })
        held.append((taken.offset, byteCount))
      } else {
        let gone = held.remove(at: Int(random.next() % UInt64(held.count)))
        _ = space.give(gone.offset, gone.byteCount)
      }
      if held.count > 60 {
        for each in held.prefix(50) { _ = space.give(each.offset, each.byteCount) }; held.removeFirst(50)
      }
    }
    for each in held { _ = space.give(each.offset, each.byteCount) }
    #expect(space.usedBytes == 0)
    // Whole again: nothing was lost between the pieces.
    _ = space.cool()
    let whole = space.take(Self.all.count)
    #expect(whole?.offset == 0)
  }

  @Test func `the last range of a size that came back is the next of that size`() {
    var space = ArenaSpace(Self.all, warmLimit: 1 << 20)
    let taken = [space.take(100_000), space.take(100_000)].compactMap { $0?.offset }
    let cold = taken.compactMap { space.give($0, 100_000) }
    #expect(cold.isEmpty)
    let again = [space.take(99_000), space.take(100_000)].compactMap { $0?.offset }
    #expect(again == taken.reversed())
  }

  @Test func `is full when it is full, and not before`() {
    var space = ArenaSpace(0..<ArenaSpace.smallest * 4, warmLimit: 1 << 20)
    var offsets: [Int] = []
    for _ in 0..<4 { if let taken = space.take(1) { offsets.append(taken.offset) } }
    #expect(offsets.count == 4)
    let more = space.take(1)
    #expect(more == nil)
    // Warm ranges of another size are given up for what else would not fit.
    for offset in offsets { _ = space.give(offset, 1) }
    let whole = space.take(ArenaSpace.smallest * 4)
    #expect(whole?.offset == 0)
  }
}

/// SplitMix64: the same numbers for the same seed.
private struct Numbers {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
