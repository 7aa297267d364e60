import CStadionRunner
import Glibc

/// An error record between canaries.
final class ErrorRecord {
  private static let fence = 256  // wide enough for text that ran over
  private static let canary = UInt8(0xA5)
  private let memory: UnsafeMutableRawPointer
  let pointer: UnsafeMutablePointer<stadion_error>

  init() {
    memory = .allocate(byteCount: 512 + 2 * Self.fence, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: Self.canary, count: 512 + 2 * Self.fence)
    pointer = (memory + Self.fence).bindMemory(to: stadion_error.self, capacity: 1)
    pointer.initialize(to: stadion_error())
    pointer.pointee.struct_size = UInt32(MemoryLayout<stadion_error>.size)
  }

  deinit { memory.deallocate() }

  /// What the record says, for people.
  var message: String {
    withUnsafeBytes(of: pointer.pointee.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  /// Reports what a call has done to the record.
  func check(_ code: stadion_code, after call: String, _ report: Report) {
    let bytes = UnsafeRawBufferPointer(start: memory, count: 512 + 2 * Self.fence)
    let outside =
      bytes.prefix(Self.fence).contains { $0 != Self.canary }
      || bytes.suffix(Self.fence).contains { $0 != Self.canary }
    if outside { report.find(.errorOverrun, "\(call) wrote beside the record's 512 bytes") }
    let size = pointer.pointee.struct_size
    if size != 512 { report.find(.errorOverrun, "\(call) changed struct_size from 512 to \(size)") }
    if !(0...10).contains(code) { report.find(.errorCode, "\(call) returned \(code)") }
    guard code != Code.ok, code != Code.cancelled else { return }
    withUnsafeBytes(of: pointer.pointee.message) { text in
      guard let end = text.firstIndex(of: 0) else {
        return report.find(.errorEnd, "after \(call) all \(text.count) bytes of message differ from 0")
      }
      if end == 0 { report.find(.errorText, "\(call) returned \(code) and no text") }
      if String(validating: text.prefix(end), as: UTF8.self) == nil {
        report.find(.errorUTF8, "after \(call) message isn't UTF-8")
      }
    }
  }
}

/// The contract's status codes, typed: C's enumerators arrive in Swift as plain `Int`.
enum Code {
  static let ok = stadion_code(STADION_OK)
  static let cancelled = stadion_code(STADION_CANCELLED)
  static let resourceExhausted = stadion_code(STADION_RESOURCE_EXHAUSTED)
  static let deadlineExceeded = stadion_code(STADION_DEADLINE_EXCEEDED)
  static let internalError = stadion_code(STADION_INTERNAL)
}
