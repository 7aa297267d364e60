import Glibc

/// Growable raw memory that a reader or writer works in and hands back for reuse.
///
/// Owned by one task or thread at a time; nothing in it is synchronised.
package final class ByteBuffer {
  package private(set) var base: UnsafeMutableRawPointer
  package private(set) var capacity: Int
  /// Bytes in use, from `base`.
  package var count = 0

  /// - Parameter capacity: Bytes taken at once; at least 64. Aligned to 64 bytes.
  package init(capacity: Int = 4096) {
    self.capacity = max(capacity, 64)
    base = Self.allocate(self.capacity)
  }

  /// Nil if the system has no such memory.
  package init?(ifAvailable capacity: Int) {
    guard let memory = aligned_alloc(64, (max(capacity, 64) + 63) & ~63) else { return nil }
    self.capacity = (max(capacity, 64) + 63) & ~63
    base = memory
  }

  deinit { free(base) }

  package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }
  package var freeCount: Int { capacity - count }

  private static func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer {
    guard let memory = aligned_alloc(64, (byteCount + 63) & ~63) else {
      preconditionFailure("out of memory for \(byteCount) bytes; limits bound what a request may ask for")
    }
    return memory
  }

  /// Makes room for `byteCount` bytes behind `count`; grows at least twofold, so appending stays linear.
  @inline(__always)
  package func reserve(_ byteCount: Int) {
    if freeCount < byteCount { grow(by: byteCount) }
  }

  @inline(never)
  private func grow(by byteCount: Int) {
    let wanted = max(capacity * 2, count + byteCount)
    let grown = Self.allocate(wanted)
    grown.copyMemory(from: base, byteCount: count)
    free(base)
    base = grown
    capacity = (wanted + 63) & ~63
  }

  /// Forgets the content, keeps the memory.
  package func removeAll() { count = 0 }

  /// Drops the first `byteCount` bytes and moves the rest to the front.
  package func removeFirst(_ byteCount: Int) {
    let rest = count - byteCount
    if rest > 0 && byteCount > 0 { memmove(base, base + byteCount, rest) }
    count = rest
  }

  @inline(__always)
  package func append(_ byte: UInt8) {
    reserve(1)
    base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
    count += 1
  }

  @inline(__always)
  package func append(_ source: UnsafeRawBufferPointer) {
    guard let start = source.baseAddress, source.count > 0 else { return }
    append(start, source.count)
  }

  @inline(__always)
  package func append(_ start: UnsafeRawPointer, _ byteCount: Int) {
    reserve(byteCount)
    memcpy(base + count, start, byteCount)
    count += byteCount
  }

  @inline(__always)
  package func append(_ text: StaticString) {
    append(UnsafeRawPointer(text.utf8Start), text.utf8CodeUnitCount)
  }

  package func append(_ text: String) {
    var text = text
    text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
  }

  package func append(decimal value: Int) {
    if value < 0 { append(UInt8(ascii: "-")) }
    append(decimal: UInt64(value.magnitude))
  }

  package func append(decimal value: Int64) { append(decimal: Int(value)) }

  /// Decimal digits. Concrete types: a generic function would not be specialised across modules.
  package func append(decimal value: UInt64) {
    reserve(20)
    var rest = value
    var digits = 1
    var probe = value
    while probe >= 10 {
      probe /= 10
      digits += 1
    }
    var index = count + digits
    count = index
    repeat {
      index -= 1
      base.storeBytes(of: UInt8(truncatingIfNeeded: 48 + rest % 10), toByteOffset: index, as: UInt8.self)
      rest /= 10
    } while rest > 0
  }

  package var string: String { String(decoding: bytes, as: UTF8.self) }
}
