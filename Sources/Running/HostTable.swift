import CStadionRunner
import Telemetry

/// What the host offers one plugin: its log and its memory. Lives as long as the plugin.
final class HostTable: @unchecked Sendable {
  // @unchecked: written once in `init`, read-only then.
  let pointer: UnsafeMutablePointer<stadion_host>
  private let runnerID: String

  /// One output may not be larger; the sum is limited per request.
  private static let allocationLimit = 1 << 30

  init(runnerID: String) {
    self.runnerID = runnerID
    pointer = .allocate(capacity: 1)
    pointer.initialize(
      to: stadion_host(
        struct_size: UInt32(MemoryLayout<stadion_host>.size), abi_minor: UInt32(RunnerABI.minor), context: nil,
        log: { host, level, message in
          guard let context = host?.pointee.context else { return }
          Unmanaged<HostTable>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.log(level, message) }
        },
        allocate: { _, _, byteCount in
          guard let count = Int(exactly: byteCount) else { return nil }
          return TensorMemory.allocate(count, limit: HostTable.allocationLimit)
        },
        extension: { _, _ in nil }))
    pointer.pointee.context = Unmanaged.passUnretained(self).toOpaque()
  }

  private func log(_ level: Int32, _ message: stadion_text) {
    guard let data = message.data, message.size <= 64 * 1024 else { return }
    let text = String(decoding: UnsafeRawBufferPointer(start: data, count: message.size), as: UTF8.self)
    Log.write(Log.Level(rawValue: Int(max(0, min(level, 3)))) ?? .info, { text }, [("runner", runnerID)])
  }
}
