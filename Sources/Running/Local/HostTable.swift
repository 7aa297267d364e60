import CStadionRunner
import Glibc
package import Telemetry

/// What the host offers one plugin: its log, its memory and the manifest's options. Lives as long as the library, which is never unmapped.
package final class HostTable: @unchecked Sendable {
  // @unchecked: written once in `init`, read-only then.

  /// Takes the lines that a runner logs, from any thread.
  package typealias Sink = @Sendable (Log.Level, String) -> Void

  let pointer: UnsafeMutablePointer<stadion_host>
  private let runnerID: String
  private let sink: Sink?
  private let options: UnsafeMutablePointer<stadion_ext_host_options>

  /// One output may not be larger; the sum is limited per request.
  private static let allocationLimit = 1 << 30
  /// What a log line may hold, and what a plugin may say that it holds.
  private static let shownLogBytes = 64 * 1024
  private static let sanestLogBytes = 64 * 1024 * 1024

  /// - Parameters:
  ///   - options: Those of the manifest.
  ///   - sink: Nil for the host's own log.
  init(runnerID: String, options: [String: String], sink: Sink? = nil) {
    self.runnerID = runnerID
    self.sink = sink
    let list = CText.optionsForever(options)
    self.options = .allocate(capacity: 1)
    self.options.initialize(
      to: stadion_ext_host_options(
        struct_size: UInt32(MemoryLayout<stadion_ext_host_options>.size), count: UInt32(list.count),
        options: list.baseAddress))
    pointer = .allocate(capacity: 1)
    pointer.initialize(
      to: stadion_host(
        struct_size: UInt32(MemoryLayout<stadion_host>.size), abi_minor: UInt32(RunnerABI.minor), context: nil,
        log: { host, level, message in
          guard let context = host?.pointee.context else { return }
          Unmanaged<HostTable>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.log(level, message) }
        },
        allocate: { _, ticket, byteCount in
          guard let count = Int(exactly: byteCount) else { return nil }
          if let outputs = Ticket.of(ticket)?.outputs { return outputs.allocateBuffer(count) }
          return TensorMemory.allocate(count, limit: HostTable.allocationLimit)
        },
        extension: { host, id in
          guard let context = host?.pointee.context, let id, strcmp(id, STADION_EXT_HOST_OPTIONS) == 0 else {
            return nil
          }
          return Unmanaged<HostTable>.fromOpaque(context)._withUnsafeGuaranteedRef { UnsafeRawPointer($0.options) }
        }))
    // Never released: even a refused library may have kept it.
    pointer.pointee.context = Unmanaged.passRetained(self).toOpaque()
  }

  private func log(_ level: Int32, _ message: stadion_text) {
    guard let data = message.data else { return }
    // A size that no message has is more likely one that was never set: not a byte of it is read.
    let isSane = message.size <= Self.sanestLogBytes
    let shown = isSane ? min(message.size, Self.shownLogBytes) : 0
    let text = { String(decoding: UnsafeRawBufferPointer(start: data, count: shown), as: UTF8.self) }
    var fields = [("runner", runnerID)]
    if shown < message.size { fields.append(("cut_from_bytes", String(message.size))) }
    let shownLevel = Log.Level(rawValue: Int(max(0, min(level, 3)))) ?? .info
    if let sink { return sink(shownLevel, text()) }
    Log.write(shownLevel, text, fields)
  }
}
