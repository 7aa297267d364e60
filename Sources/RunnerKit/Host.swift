import CStadionRunner
import Glibc

/// What the host offers to a plugin between `open` and `close`. [any] thread.
public struct Host: @unchecked Sendable {  // the host's functions are tagged [any] and the table is constant
  public enum Level: Int32, Sendable { case debug, info, warning, error }

  let raw: UnsafePointer<stadion_host>

  public func log(_ level: Level, _ message: String) {
    var message = message
    message.withUTF8 { utf8 in
      utf8.withMemoryRebound(to: CChar.self) { text in
        raw.pointee.log(raw, level.rawValue, stadion_text(data: text.baseAddress, size: text.count))
      }
    }
  }

  /// Those of the manifest, which `create` is given too: known here so that `open` can ask the engine for its devices.
  /// Nil from hosts that tell them only to `create`.
  public var options: Options? {
    guard let raw = `extension`(STADION_EXT_HOST_OPTIONS)?.assumingMemoryBound(to: stadion_ext_host_options.self),
      raw.pointee.struct_size >= UInt32(MemoryLayout<stadion_ext_host_options>.size)
    else { return nil }
    return Options(raw.pointee.options, Int(raw.pointee.count))
  }

  /// The host's extension, owned by the host until `close` returns; nil if it has none of that id.
  public func `extension`(_ id: String) -> UnsafeRawPointer? { raw.pointee.extension(raw, id) }
}

/// Deadline and cancel flag of one call. Not to be kept after the call.
public struct Ticket {
  let raw: UnsafePointer<stadion_ticket>

  /// Never used twice within a process.
  public var id: UInt64 { raw.pointee.id }
  /// Nanoseconds of CLOCK_MONOTONIC; nil = none.
  public var deadline: UInt64? { raw.pointee.deadline_ns == 0 ? nil : raw.pointee.deadline_ns }
  /// True once the client left, the deadline passed or the host stops. Cheap: ask between steps.
  public var isCancelled: Bool { raw.pointee.is_cancelled(raw) }

  /// What a call throws that ended early: its deadline, or else somebody's wish.
  public var interruption: RunnerError {
    if let deadline, monotonicNanoseconds() >= deadline {
      return RunnerError(.deadlineExceeded, "the deadline passed")
    }
    return RunnerError(.cancelled, "cancelled")
  }
}

/// The clock of `Ticket.deadline`.
public func monotonicNanoseconds() -> UInt64 {
  var now = timespec()
  clock_gettime(CLOCK_MONOTONIC, &now)
  return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
}

/// Memory of the host, 64-byte aligned, charged to the tenant that asked. Given back unless it is emitted.
public struct HostBuffer: ~Copyable {
  let raw: UnsafeMutablePointer<stadion_buffer>

  public var bytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: raw.pointee.data, count: Int(raw.pointee.byte_size))
  }

  /// The caller now owns the reference.
  consuming func take() -> UnsafeMutablePointer<stadion_buffer> {
    let raw = raw
    discard self
    return raw
  }

  deinit { raw.pointee.release(raw) }
}
