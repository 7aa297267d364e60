import Glibc

/// Memory between two pages that nobody may touch; it ends at the second, so that reading on crashes.
///
/// Never unmapped while the process lives, so that no other mapping hides who still uses it.
final class GuardedMemory {
  private static let page = Int(sysconf(Int32(_SC_PAGESIZE)))
  private let base: UnsafeMutableRawPointer
  private let bodyBytes: Int
  /// 64-byte aligned; not NULL for no bytes either.
  let data: UnsafeMutableRawPointer
  let byteCount: Int

  /// - Returns: Nil when the system has no memory.
  init?(byteCount: Int) {
    let page = Self.page
    let slack = (byteCount + 63) / 64 * 64
    bodyBytes = (slack + page - 1) / page * page
    let total = bodyBytes + 2 * page
    guard let base = mmap(nil, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), base != MAP_FAILED else {
      return nil
    }
    self.base = base
    self.byteCount = byteCount
    data = base + page + bodyBytes - slack
    if bodyBytes > 0 { mprotect(base + page, bodyBytes, PROT_READ | PROT_WRITE) }
  }

  func fill(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { if let start = $0.baseAddress { data.copyMemory(from: start, byteCount: $0.count) } }
  }

  func forbidWriting() { if bodyBytes > 0 { mprotect(base + Self.page, bodyBytes, PROT_READ) } }

  /// From here on every touch crashes. The pages go back to the system.
  func poison() {
    guard bodyBytes > 0 else { return }
    mprotect(base + Self.page, bodyBytes, PROT_NONE)
    madvise(base + Self.page, bodyBytes, MADV_DONTNEED)
  }

  /// Gives all back, for loops that measure memory.
  func unmap() { munmap(base, bodyBytes + 2 * Self.page) }
}
