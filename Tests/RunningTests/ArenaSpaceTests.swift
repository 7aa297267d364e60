import Foundation
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
        let range = taken..<taken + ArenaSpace.size(for: byteCount)
        #expect(Self.all.contains(range.lowerBound) && range.upperBound <= Self.all.upperBound)
        #expect(!held.contains { range.overlaps($0.offset..<$0.offset + ArenaSpace.size(for: $0.byteCount)) })
        held.append((taken, byteCount))
      } else {
        let gone = held.remove(at: Int(random.next() % UInt64(held.count)))
        Self.give(gone, to: &space)
      }
      if held.count > 60 {
        for each in held.prefix(50) { Self.give(each, to: &space) }
        held.removeFirst(50)
      }
    }
    for each in held { Self.give(each, to: &space) }
    #expect(space.usedBytes == 0)
    // Whole again: nothing was lost between the pieces.
    for range in space.takeWarm() { space.give(cold: range) }
    let whole = space.take(Self.all.count)
    #expect(whole == 0)
  }

  @Test func `the last range of a size that came back is the next of that size`() {
    var space = ArenaSpace(Self.all, warmLimit: 1 << 20)
    let taken = [space.take(100_000), space.take(100_000)].compactMap(\.self)
    let kept = taken.map { space.give(warm: $0, 100_000) }
    #expect(kept == [true, true])
    let again = [space.take(99_000), space.take(100_000)].compactMap(\.self)
    #expect(again == taken.reversed())
  }

  @Test func `is full when it is full, and not before`() {
    var space = ArenaSpace(0..<ArenaSpace.smallest * 4, warmLimit: 1 << 20)
    var offsets: [Int] = []
    for _ in 0..<4 { if let taken = space.take(1) { offsets.append(taken) } }
    #expect(offsets.count == 4)
    let more = space.take(1)
    #expect(more == nil)
    for offset in offsets { Self.give((offset, 1), to: &space) }
    let none = space.take(ArenaSpace.smallest * 4)
    #expect(none == nil)
    // Handed out like any others until their pages have gone back.
    let warm = space.takeWarm()
    let early = space.take(1)
    #expect(early == nil)
    for range in warm { space.give(cold: range) }
    let whole = space.take(ArenaSpace.smallest * 4)
    #expect(whole == 0)
  }

  private static func give(_ gone: (offset: Int, byteCount: Int), to space: inout ArenaSpace) {
    if space.give(warm: gone.offset, gone.byteCount) { return }
    space.give(cold: gone.offset..<gone.offset + ArenaSpace.size(for: gone.byteCount))
  }
}

@Suite struct `The memory of an arena` {
  /// Each thread fills its ranges and finds them as it left them, whatever pages go back meanwhile.
  @Test func `pages of a range go back before anybody has it again`() throws {
    let arena = try SharedArena(byteCount: 64 << 20)
    let spoiled = Locked(0)
    let finished = DispatchSemaphore(value: 0)
    let threads = (0..<4).map { number in
      let thread = Thread {
        for round in 0..<300 {
          let byteCount = 16384 << (round % 6)
          guard let start = arena.take(byteCount) else { continue }
          memset(start, CInt(number + 1), byteCount)
          if round % 7 == 0 { arena.trim() }
          let bytes = UnsafeRawBufferPointer(start: start, count: byteCount)
          if bytes.contains(where: { $0 != UInt8(number + 1) }) { spoiled.withLock { $0 += 1 } }
          arena.give(start, byteCount)
        }
        finished.signal()
      }
      return thread
    }
    for thread in threads { thread.start() }
    for _ in threads { finished.wait() }
    #expect(spoiled.value == 0)
    arena.trim()
    #expect(arena.usedBytes == 0)
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
