import Glibc

/// Memory between two pages that nobody may touch; it ends at the second, so that going on crashes.
///
/// Stays mapped while the process lives, so that no other mapping hides who still uses it.
final class GuardedMemory: @unchecked Sendable {
  // @unchecked: constant but for what the pages allow.
  private static let page = Int(sysconf(Int32(_SC_PAGESIZE)))
  private static let canary = UInt8(0xA5)
  /// As many as there can be on either side: less than a page.
  private static let canaries = [UInt8](repeating: canary, count: page)
  private let base: UnsafeMutableRawPointer
  private let bodyBytes: Int
  private let slot: Int?
  /// 64-byte aligned; not NULL for no bytes either.
  let data: UnsafeMutableRawPointer
  let byteCount: Int

  /// - Parameter beyond: What is broken by touching what lies around.
  /// - Returns: Nil when the system has no memory.
  init?(byteCount: Int, beyond: Rule? = nil) {
    let page = Self.page
    let room = (byteCount + 63) / 64 * 64
    bodyBytes = (room + page - 1) / page * page
    let total = bodyBytes + 2 * page
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    guard let base = mmap(nil, total, PROT_NONE, flags, -1, 0), base != MAP_FAILED else { return nil }
    if bodyBytes > 0, mprotect(base + page, bodyBytes, PROT_READ | PROT_WRITE) != 0 {
      munmap(base, total)
      return nil
    }
    self.base = base
    self.byteCount = byteCount
    let body = base + page
    data = body + bodyBytes - room
    slot = WatchedMemory.add(
      UInt(bitPattern: base)..<UInt(bitPattern: base + total),
      body: UInt(bitPattern: body)..<UInt(bitPattern: body + bodyBytes), around: beyond)
    memset(body, Int32(Self.canary), data - body)
    memset(data + byteCount, Int32(Self.canary), room - byteCount)
  }

  /// Whether the bytes of the body before and after the data are as they were.
  var isFenced: Bool {
    let body = base + Self.page
    let before = data - body
    let after = bodyBytes - before - byteCount
    return memcmp(body, Self.canaries, before) == 0 && memcmp(data + byteCount, Self.canaries, after) == 0
  }

  func fill(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { if let start = $0.baseAddress { data.copyMemory(from: start, byteCount: $0.count) } }
  }

  /// From here on writing breaks `rule`.
  func forbidWriting(_ rule: Rule) {
    if let slot { WatchedMemory.set(slot, body: rule) }
    if bodyBytes > 0 { mprotect(base + Self.page, bodyBytes, PROT_READ) }
  }

  /// From here on every touch breaks `rule`. The pages go back to the system.
  func poison(_ rule: Rule) {
    if let slot { WatchedMemory.set(slot, body: rule) }
    guard bodyBytes > 0 else { return }
    mmap(
      base + Self.page, bodyBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0)
  }

  /// Gives all back, for loops that measure memory.
  func unmap() {
    if let slot { WatchedMemory.remove(slot) }
    munmap(base, bodyBytes + 2 * Self.page)
  }
}
