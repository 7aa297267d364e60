import CStadionRunner
import Glibc
import Synchronization

/// Buffers that the host hands to runners: aligned to 64 bytes, kept for reuse when large.
///
/// A fresh 600 KB block costs 150 page faults, more than copying it; so large blocks go back into a bounded store.
/// Any thread.
package enum TensorMemory {
  /// One block: this header, then the data. `buffer` comes first, so that a pointer to it is a pointer to the block.
  private struct Block {
    var buffer: stadion_buffer
    var capacity: Int
  }

  /// Header in front of the data; keeps the data aligned to 64.
  private static let headerBytes = 128
  private static let smallestKept = 32 * 1024
  /// Bytes of idle blocks kept; the rest goes back to the system.
  private static let keptByteLimit = 128 * 1024 * 1024

  /// An idle block: nobody else points at it.
  private struct IdleBlock: @unchecked Sendable {
    // @unchecked: whoever takes it out of the store is its only owner.
    let pointer: UnsafeMutablePointer<Block>
    var capacity: Int { pointer.pointee.capacity }
  }

  private struct Store: ~Copyable {
    var blocks: [IdleBlock] = []
    var byteCount = 0
  }
  private static let store = Mutex(Store())

  /// - Parameter byteCount: At most `limit`.
  /// - Returns: Nil over `limit` or without memory. `release` must be called once.
  static func allocate(_ byteCount: Int, limit: Int) -> UnsafeMutablePointer<stadion_buffer>? {
    guard byteCount >= 0, byteCount <= limit else { return nil }
    let block = kept(byteCount) ?? fresh(byteCount)
    guard let block else { return nil }
    // All of it, since the runner that had the block before may have written into its header.
    block.pointee.buffer = header(UnsafeMutableRawPointer(block), byteCount)
    return UnsafeMutableRawPointer(block).assumingMemoryBound(to: stadion_buffer.self)
  }

  private static func kept(_ byteCount: Int) -> UnsafeMutablePointer<Block>? {
    guard byteCount >= smallestKept else { return nil }
    let block = store.withLock { store -> IdleBlock? in
      // Newest first: its pages are the warmest.
      guard
        let index = store.blocks.lastIndex(where: { $0.capacity >= byteCount && $0.capacity <= byteCount * 2 })
      else { return nil }
      let block = store.blocks.remove(at: index)
      store.byteCount -= block.capacity
      return block
    }
    return block?.pointer
  }

  private static func fresh(_ byteCount: Int) -> UnsafeMutablePointer<Block>? {
    let capacity = (max(byteCount, 64) + 63) & ~63
    guard let memory = aligned_alloc(64, headerBytes + capacity) else { return nil }
    let block = memory.assumingMemoryBound(to: Block.self)
    block.initialize(to: Block(buffer: stadion_buffer(), capacity: capacity))
    return block
  }

  private static func header(_ block: UnsafeMutableRawPointer, _ byteCount: Int) -> stadion_buffer {
    stadion_buffer(
      struct_size: UInt32(MemoryLayout<stadion_buffer>.size), reserved: 0, data: block + headerBytes,
      byte_size: UInt64(byteCount), context: nil,
      release: { pointer in if let pointer { TensorMemory.release(pointer) } })
  }

  static func release(_ buffer: UnsafeMutablePointer<stadion_buffer>) {
    let block = UnsafeMutableRawPointer(buffer).assumingMemoryBound(to: Block.self)
    let capacity = block.pointee.capacity
    if capacity >= smallestKept {
      let idle = IdleBlock(pointer: block)
      let isKept = store.withLock { store in
        guard store.byteCount + capacity <= keptByteLimit else { return false }
        store.byteCount += capacity
        store.blocks.append(idle)
        return true
      }
      if isKept { return }
    }
    free(block)
  }

  /// Gives all idle blocks back, as after an unload.
  package static func trim() {
    let idle = store.withLock { store in
      let blocks = store.blocks
      store = Store()
      return blocks
    }
    for block in idle { free(block.pointer) }
  }
}
