import CStadionRunner
import Glibc

/// Memory for one request's tensors, in blocks that never move; given back all at once.
///
/// The host's own memory or, between `share` and `reset`, memory that a runner process sees, too. Owned by one task at a
/// time.
package final class Arena {
  private static let chunkBytes = 16 * 1024

  private let ownChunk: UnsafeMutableRawPointer
  /// What small tensors share.
  private var chunk: UnsafeMutableRawPointer
  private var chunkBytes = Arena.chunkBytes
  private var used = 0
  private var blocks: [UnsafeMutablePointer<stadion_buffer>] = []
  package private(set) var source: (any TensorSource)?
  private var ranges: [(start: UnsafeMutableRawPointer, byteCount: Int)] = []

  package init() {
    guard let memory = aligned_alloc(64, Self.chunkBytes) else { preconditionFailure("out of memory for a request") }
    ownChunk = memory
    chunk = memory
  }

  deinit {
    reset()
    free(ownChunk)
  }

  /// Takes all further memory from `source`.
  ///
  /// - Parameters:
  ///   - headerBytes: Of the range that is returned, at its start, for the caller; a multiple of 64.
  ///   - byteCount: Of that range, at least; what is behind the header is for small tensors.
  /// - Returns: Nil when `source` has no such range; the arena stays as it is.
  func share(_ source: any TensorSource, headerBytes: Int, byteCount: Int) -> UnsafeMutableRawPointer? {
    guard let start = source.take(byteCount) else { return nil }
    self.source = source
    ranges.append((start, byteCount))
    chunk = start + headerBytes
    chunkBytes = byteCount - headerBytes
    used = 0
    return start
  }

  /// Takes all further memory, be it ever so little, from `source`.
  package func use(_ source: any TensorSource) {
    self.source = source
    chunkBytes = 0
    used = 0
  }

  /// 64-byte aligned; nil without memory or over `limit` bytes.
  package func allocate(_ byteCount: Int, limit: Int = 1 << 46) -> UnsafeMutableRawPointer? {
    // 1 << 46: half of what an x86-64 process can address; the rounding below can't overflow.
    guard byteCount >= 0, byteCount <= limit else { return nil }
    let rounded = (byteCount + 63) & ~63
    if rounded <= chunkBytes - used {
      defer { used += rounded }
      return chunk + used
    }
    if let source {
      guard let start = source.take(byteCount) else { return nil }
      ranges.append((start, byteCount))
      return start
    }
    guard let block = TensorMemory.allocate(byteCount, limit: limit) else { return nil }
    blocks.append(block)
    return block.pointee.data
  }

  package func reset() {
    used = 0
    if !blocks.isEmpty {
      for block in blocks { TensorMemory.release(block) }
      blocks.removeAll(keepingCapacity: true)
    }
    guard let source else { return }
    for range in ranges { source.give(range.start, range.byteCount) }
    ranges.removeAll(keepingCapacity: true)
    self.source = nil
    chunk = ownChunk
    chunkBytes = Self.chunkBytes
  }
}
