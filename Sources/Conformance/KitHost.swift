import CStadionRunner
import Glibc
import Inference
import Synchronization

/// The host as one check plays it: lends memory that ends at a page nobody may touch, and can run out of it.
final class KitHost: Sendable {
  /// What `allocate` gave. Buffer records are never freed, so that a second release of one is seen and no crash of the
  /// kit; the memory is poisoned as soon as the runner has let go of it.
  private struct Loan {
    let memory: GuardedMemory
    let byteCount: UInt64
    var isLent = true
  }

  private struct State {
    var loans: [UInt: Loan] = [:]
    var held: Set<UInt> = []
    /// How many more allocations work; nil is all.
    var left: Int?
    var asked = 0
    var unmaps = false
  }

  private let state = Mutex(State())
  private let report: Report
  nonisolated(unsafe) let pointer: UnsafeMutablePointer<stadion_host>  // written in init only
  nonisolated(unsafe) private let options: UnsafeMutablePointer<stadion_ext_host_options>  // written in init only

  /// - Parameter options: As of a manifest.
  init(report: Report, options: [Subject.Option]) {
    self.report = report
    let list = Views.options(options)
    self.options = .allocate(capacity: 1)
    self.options.initialize(
      to: stadion_ext_host_options(
        struct_size: UInt32(MemoryLayout<stadion_ext_host_options>.size), count: UInt32(list.count),
        options: UnsafePointer(list.baseAddress)))
    pointer = .allocate(capacity: 1)
    pointer.initialize(
      to: stadion_host(
        struct_size: UInt32(MemoryLayout<stadion_host>.size), abi_minor: STADION_ABI_MINOR, context: nil,
        log: { host, level, message in
          guard let context = host?.pointee.context else { return }
          Unmanaged<KitHost>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.log(level, message) }
        },
        allocate: { host, _, byteCount in
          guard let context = host?.pointee.context else { return nil }
          return Unmanaged<KitHost>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.allocate(byteCount) }
        },
        extension: { host, id in
          guard let context = host?.pointee.context, let id, strcmp(id, STADION_EXT_HOST_OPTIONS) == 0 else {
            return nil
          }
          return Unmanaged<KitHost>.fromOpaque(context)._withUnsafeGuaranteedRef { UnsafeRawPointer($0.options) }
        }))
    pointer.pointee.context = Unmanaged.passRetained(self).toOpaque()
  }

  var lentCount: Int { state.withLock { $0.loans.values.count { $0.isLent } } }
  /// How often memory was asked for.
  var askedCount: Int { state.withLock { $0.asked } }
  /// Lets `count` more allocations work; nil lets all.
  func allowAllocations(_ count: Int?) { state.withLock { $0.left = count } }
  /// Gives memory back to the system as it comes, for loops that measure memory.
  func unmapReleased() { state.withLock { $0.unmaps = true } }

  private static let saneLogBytes = 64 << 20

  private func log(_ level: Int32, _ message: stadion_text) {
    let size = message.size
    guard (0...3).contains(level), size == 0 || message.data != nil, size <= Self.saneLogBytes else {
      let place = message.data == nil ? "at NULL" : "there"
      return report.find(.logText, "log was called with level \(level) and \(size) bytes \(place)")
    }
    let text = UnsafeRawBufferPointer(start: message.data, count: size)
    if String(validating: text, as: UTF8.self) == nil {
      report.find(.logText, "a message of \(size) bytes isn't UTF-8")
    }
  }

  // MARK: Memory that the runner borrows

  private func allocate(_ byteCount: UInt64) -> UnsafeMutablePointer<stadion_buffer>? {
    let works = state.withLock { state in
      state.asked += 1
      if byteCount > 1 << 30 || state.left == 0 { return false }
      if let left = state.left { state.left = left - 1 }
      return true
    }
    guard works, let memory = GuardedMemory(byteCount: Int(byteCount), beyond: .bufferOverrun) else { return nil }
    let buffer = UnsafeMutablePointer<stadion_buffer>.allocate(capacity: 1)
    buffer.initialize(
      to: stadion_buffer(
        struct_size: UInt32(MemoryLayout<stadion_buffer>.size), reserved: 0, data: memory.data, byte_size: byteCount,
        context: pointer.pointee.context,
        release: { buffer in
          guard let buffer, let context = buffer.pointee.context else { return }
          Unmanaged<KitHost>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.release(buffer) }
        }))
    state.withLock { $0.loans[UInt(bitPattern: buffer)] = Loan(memory: memory, byteCount: byteCount) }
    return buffer
  }

  /// Whether the buffer came from `allocate`, and if so whether it still is the runner's.
  func isLent(_ buffer: UnsafeMutablePointer<stadion_buffer>) -> Bool? {
    state.withLock { $0.loans[UInt(bitPattern: buffer)]?.isLent }
  }

  /// Looks whether a buffer of the host is as it was lent; spoiled ones are reported and put right.
  func check(_ buffer: UnsafeMutablePointer<stadion_buffer>) {
    guard let loan = state.withLock({ $0.loans[UInt(bitPattern: buffer)] }), loan.isLent else { return }
    if !loan.memory.isFenced {
      report.find(.bufferOverrun, "the bytes beside a buffer of \(loan.byteCount) bytes have changed")
    }
    if buffer.pointee.data == loan.memory.data, buffer.pointee.byte_size == loan.byteCount { return }
    report.find(.bufferSpoiled, "a buffer of \(loan.byteCount) bytes now says \(buffer.pointee.byte_size)")
    buffer.pointee.data = loan.memory.data
    buffer.pointee.byte_size = loan.byteCount
  }

  private func release(_ buffer: UnsafeMutablePointer<stadion_buffer>) {
    check(buffer)
    let (memory, unmaps) = state.withLock { state -> (GuardedMemory?, Bool) in
      let key = UInt(bitPattern: buffer)
      guard let loan = state.loans[key], loan.isLent else { return (nil, false) }
      state.loans[key]?.isLent = false
      if state.unmaps { state.loans[key] = nil }
      return (loan.memory, state.unmaps)
    }
    guard let memory else { return report.find(.bufferTwice, "a buffer of the host was released twice") }
    if unmaps {
      memory.unmap()
      buffer.deallocate()
    } else {
      memory.poison(.bufferTouched)
    }
  }

  // MARK: Buffers of the runner's own

  /// - Returns: False when it is held already.
  func hold(_ buffer: UnsafeMutablePointer<stadion_buffer>) -> Bool {
    state.withLock { $0.held.insert(UInt(bitPattern: buffer)).inserted }
  }

  func letGo(_ buffer: UnsafeMutablePointer<stadion_buffer>) {
    state.withLock { _ = $0.held.remove(UInt(bitPattern: buffer)) }
  }
}
