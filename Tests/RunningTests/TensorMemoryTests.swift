import CStadionRunner
import Glibc
import Testing

@testable import Running

@Suite(.serialized) struct `Memory of tensors` {
  private func address(_ buffer: UnsafeMutablePointer<stadion_buffer>) -> UInt { UInt(bitPattern: buffer.pointee.data) }

  @Test func `is aligned to 64 bytes and as large as asked for`() throws {
    for size in [0, 1, 63, 64, 65, 4095, 32 * 1024 - 1, 32 * 1024, 602_112, 5_000_001] {
      let buffer = try #require(TensorMemory.allocate(size, limit: 1 << 30))
      #expect(address(buffer) % 64 == 0)
      #expect(buffer.pointee.byte_size == UInt64(size))
      #expect(buffer.pointee.struct_size == 40)
      memset(buffer.pointee.data, 0x5A, size)
      buffer.pointee.release(buffer)
    }
  }

  @Test func `is refused over the limit and below nothing`() {
    #expect(TensorMemory.allocate(101, limit: 100) == nil)
    #expect(TensorMemory.allocate(-1, limit: 100) == nil)
    #expect(TensorMemory.allocate(.max, limit: 100) == nil)
  }

  @Test func `large blocks come back, for sizes from half to all of them`() throws {
    TensorMemory.trim()
    // Sizes that no other test uses. Another test's unload may give the block away meanwhile: then once more.
    let size = 40 * 1024 * 1024 + 64
    var cameBack = false
    for _ in 0..<20 where !cameBack {
      let first = try #require(TensorMemory.allocate(size, limit: 1 << 30))
      let place = address(first)
      first.pointee.release(first)
      let small = try #require(TensorMemory.allocate(size / 2 - 64, limit: 1 << 30))
      let second = try #require(TensorMemory.allocate(size / 2 + 64, limit: 1 << 30))
      #expect(second.pointee.byte_size == UInt64(size / 2 + 64))
      cameBack = address(second) == place && address(small) != place
      second.pointee.release(second)
      small.pointee.release(small)
    }
    #expect(cameBack)
    TensorMemory.trim()
  }

  @Test func `a block that a runner has scribbled on comes back clean`() throws {
    let size = 44 * 1024 * 1024
    let first = try #require(TensorMemory.allocate(size, limit: 1 << 30))
    let place = address(first)
    first.pointee.data = nil
    first.pointee.context = UnsafeMutableRawPointer(bitPattern: 1)
    let release = first.pointee.release!
    first.pointee.release = nil
    release(first)
    let second = try #require(TensorMemory.allocate(size, limit: 1 << 30))
    #expect(address(second) == place)
    #expect(second.pointee.release != nil)
    second.pointee.release(second)
    TensorMemory.trim()
  }

  @Test func `an arena gives aligned places that don't overlap, and takes all back`() throws {
    let arena = Arena()
    for _ in 0..<3 {
      var places: [(start: UInt, size: Int)] = []
      for size in [0, 1, 64, 100, 16_000, 300, 100_000, 40_000, 7] {
        let memory = try #require(arena.allocate(size))
        #expect(UInt(bitPattern: memory) % 64 == 0)
        memset(memory, 0xA5, size)
        places.append((UInt(bitPattern: memory), size))
      }
      let sorted = places.filter { $0.size > 0 }.sorted { $0.start < $1.start }
      for (one, next) in zip(sorted, sorted.dropFirst()) { #expect(one.start + UInt(one.size) <= next.start) }
      arena.reset()
    }
  }

  @Test func `an arena refuses what no machine has`() {
    let arena = Arena()
    #expect(arena.allocate(101, limit: 100) == nil)
    #expect(arena.allocate(.max) == nil)
    #expect(arena.allocate(.max - 62) == nil)
    #expect(arena.allocate(-64) == nil)
    #expect(arena.allocate(64) != nil)
  }
}
