import CStadionRunner
import Glibc
import Synchronization

/// The host as one check plays it: counts what it lends and can run out of memory.
final class KitHost: Sendable {
  /// Buffer records are never freed, so that a second release of one is seen and no crash of the kit.
  private struct Loan {
    let data: UInt
    let byteCount: UInt64
    var isLent = true
  }

  private struct State {
    var loans: [UInt: Loan] = [:]
    var refuses = false
    var refused = 0
  }

  private let state = Mutex(State())
  private let report: Report
  nonisolated(unsafe) let pointer: UnsafeMutablePointer<stadion_host>  // written in init only

  init(report: Report) {
    self.report = report
    pointer = .allocate(capacity: 1)
    pointer.initialize(
      to: stadion_host(
        struct_size: UInt32(MemoryLayout<stadion_host>.size), abi_minor: STADION_ABI_MINOR, context: nil,
        log: { _, _, _ in },
        allocate: { host, _, byteCount in
          guard let context = host?.pointee.context else { return nil }
          return Unmanaged<KitHost>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.allocate(byteCount) }
        }, extension: { _, _ in nil }))
    pointer.pointee.context = Unmanaged.passRetained(self).toOpaque()
  }

  var lentCount: Int { state.withLock { $0.loans.values.count { $0.isLent } } }
  var refusedCount: Int { state.withLock { $0.refused } }
  func refuseAllocations(_ refuses: Bool) { state.withLock { $0.refuses = refuses } }

  private func allocate(_ byteCount: UInt64) -> UnsafeMutablePointer<stadion_buffer>? {
    let refuses = state.withLock { state in
      if state.refuses || byteCount > 1 << 30 { state.refused += 1 }
      return state.refuses || byteCount > 1 << 30
    }
    if refuses { return nil }
    var data: UnsafeMutableRawPointer?
    guard posix_memalign(&data, 64, max(Int(byteCount), 64)) == 0, let data else { return nil }
    let buffer = UnsafeMutablePointer<stadion_buffer>.allocate(capacity: 1)
    buffer.initialize(
      to: stadion_buffer(
        struct_size: UInt32(MemoryLayout<stadion_buffer>.size), reserved: 0, data: data, byte_size: byteCount,
        context: pointer.pointee.context,
        release: { buffer in
          guard let buffer, let context = buffer.pointee.context else { return }
          Unmanaged<KitHost>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.release(buffer) }
        }))
    state.withLock { $0.loans[UInt(bitPattern: buffer)] = Loan(data: UInt(bitPattern: data), byteCount: byteCount) }
    return buffer
  }

  /// Whether a buffer is one of the host's and as it was lent; spoiled ones are reported and put right.
  func check(_ buffer: UnsafeMutablePointer<stadion_buffer>) {
    guard let loan = state.withLock({ $0.loans[UInt(bitPattern: buffer)] }) else { return }
    let isSame = UInt(bitPattern: buffer.pointee.data) == loan.data && buffer.pointee.byte_size == loan.byteCount
    if isSame { return }
    report.find(.bufferSpoiled, "a buffer of \(loan.byteCount) bytes now says \(buffer.pointee.byte_size)")
    buffer.pointee.data = UnsafeMutableRawPointer(bitPattern: loan.data)
    buffer.pointee.byte_size = loan.byteCount
  }

  private func release(_ buffer: UnsafeMutablePointer<stadion_buffer>) {
    check(buffer)
    let data = state.withLock { state -> UInt? in
      guard let loan = state.loans[UInt(bitPattern: buffer)], loan.isLent else { return nil }
      state.loans[UInt(bitPattern: buffer)]?.isLent = false
      return loan.data
    }
    guard let data else { return report.find(.bufferTwice, "a buffer of the host was released twice") }
    free(UnsafeMutableRawPointer(bitPattern: data))
  }
}
