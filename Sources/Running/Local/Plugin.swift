import CLinux
import CStadionRunner
import Glibc
package import Inference
import Manifests
import Telemetry

/// A runner's opened library: its table, checked, and its devices.
///
/// Opened on its runner's control thread and never closed: neither Swift nor C libraries survive `dlclose` for certain.
package final class Plugin: @unchecked Sendable {
  // @unchecked: the table is read-only data of the library, which stays mapped; the host table lives as long as this.

  /// A device as the plugin reports it, narrowed by the manifest.
  package struct Device: @unchecked Sendable {
    // @unchecked: the pointer is to read-only data that lives until the plugin closes.
    package let kind: DeviceKind
    package let name: String
    package let ordinal: Int
    package let maxConcurrentRuns: Int
    package let hasDynamicShapes: Bool
    package let streams: Bool
    package let pollsCancel: Bool
    package let formats: [String]
    let pointer: UnsafePointer<stadion_device>

    init(
      kind: DeviceKind, maxConcurrentRuns: Int, formats: [String], pointer: UnsafePointer<stadion_device>
    ) {
      let device = pointer.pointee
      self.kind = kind
      self.maxConcurrentRuns = maxConcurrentRuns
      self.formats = formats
      self.pointer = pointer
      name = device.name.map { String(cString: $0) } ?? kind.name
      ordinal = Int(device.ordinal)
      hasDynamicShapes = device.flags & (1 << 0) != 0
      streams = device.flags & (1 << 1) != 0
      pollsCancel = device.flags & (1 << 2) != 0
    }
  }

  package let id: String
  package let version: String
  /// How well this build suits this machine; 100 = plain.
  package let score: UInt32
  package let devices: [Device]
  let table: UnsafePointer<stadion_plugin>
  let interrupt: UnsafePointer<stadion_ext_interrupt>?
  private let host: HostTable

  /// The engine's name and version; some are known only once a runner has been created.
  package var engine: String { table.pointee.engine.map { String(cString: $0) } ?? "" }

  /// Opens, checks and asks `manifest`'s library. Blocks; [control].
  ///
  /// - Throws: `.incompatibleRunner` with what both sides say.
  init(
    _ manifest: RunnerManifest, detachesLibrary: Bool = false, logTo sink: HostTable.Sink? = nil
  ) throws(HostError) {
    let path = manifest.libraryPath
    guard let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
      var reason = String(cString: dlerror())
      if reason.contains("static TLS") { reason += "; open it at start, before other libraries take the room" }
      throw HostError(.incompatibleRunner, "can't open \(path): \(reason)")
    }
    if detachesLibrary { linux_detach_library(path) }
    guard let symbol = dlsym(handle, STADION_ENTRY_SYMBOL) else {
      throw HostError(.incompatibleRunner, "\(path) doesn't export \(STADION_ENTRY_SYMBOL); is it a runner?")
    }
    let entry = unsafeBitCast(symbol, to: (@convention(c) (UInt32, UInt32) -> UnsafePointer<stadion_plugin>?).self)
    let major = UInt32(RunnerABI.major)
    let minor = UInt32(RunnerABI.minor)
    guard let table = entry(major, minor) else {
      throw HostError(.incompatibleRunner, "\(manifest.id) can't serve ABI \(major).\(minor); rebuild the runner")
    }
    try Self.check(table, manifest)
    self.table = table
    id = manifest.id
    version = table.pointee.version.map { String(cString: $0) } ?? manifest.version
    host = HostTable(runnerID: manifest.id, options: manifest.options, sink: sink)
    score = try Self.probe(table, manifest.id)
    let error = ErrorRecord()
    let code = table.pointee.open(host.pointer, error.pointer)
    guard code == Code.ok else { throw error.hostError(code, runnerID: manifest.id, doing: "open") }
    do {
      devices = try Self.devices(table, manifest)
    } catch {
      table.pointee.close()
      throw error
    }
    let found = table.pointee.extension?("stadion.interrupt/1")?.assumingMemoryBound(to: stadion_ext_interrupt.self)
    interrupt = found.flatMap { $0.pointee.struct_size >= 16 && $0.pointee.interrupt != nil ? $0 : nil }
  }

  private static func check(_ table: UnsafePointer<stadion_plugin>, _ manifest: RunnerManifest) throws(HostError) {
    func refuse(_ reason: String) -> HostError { HostError(.incompatibleRunner, "\(manifest.id): \(reason)") }
    let size = Int(table.pointee.struct_size)
    func wrongSize(_ least: Int) -> HostError {
      refuse("its table has \(size) bytes, \(least) to 4096 are possible; rebuild it")
    }
    // The size and both numbers stand first in every version: a table of another size is mostly one of another version.
    guard size >= 12, size <= 4096 else { throw wrongSize(MemoryLayout<stadion_plugin>.size) }
    let (major, minor) = (table.pointee.abi_major, table.pointee.abi_minor)
    guard let least = SupportedABI.host.tableByteCount(of: ABIVersion(major: Int(major), minor: Int(minor))) else {
      throw refuse("speaks ABI \(major).\(minor), host speaks \(SupportedABI.host); rebuild the runner")
    }
    guard size >= least else { throw wrongSize(least) }
    // Field by field: the whole would be read beyond the end of an older runner's table.
    guard let name = table.pointee.id, String(cString: name) == manifest.id else {
      let said = table.pointee.id.map { String(cString: $0) } ?? "nothing"
      throw refuse("its library says that it is \(said)")
    }
    guard table.pointee.open != nil, table.pointee.close != nil, table.pointee.device != nil,
      table.pointee.create != nil, table.pointee.destroy != nil, table.pointee.load != nil,
      table.pointee.unload != nil, table.pointee.signature != nil, table.pointee.run != nil
    else { throw refuse("a function is missing in its table; only probe, metadata and extension may be NULL") }
  }

  private static func probe(_ table: UnsafePointer<stadion_plugin>, _ id: String) throws(HostError) -> UInt32 {
    guard let probe = table.pointee.probe else { return 100 }
    let error = ErrorRecord()
    let score = probe(error.pointer)
    guard score > 0 else {
      throw HostError(.incompatibleRunner, "\(id) can't run on this machine: \(error.message)")
    }
    return score
  }

  /// What the plugin offers, narrowed by what the manifest allows; a manifest that claims more is refused.
  private static func devices(
    _ table: UnsafePointer<stadion_plugin>, _ manifest: RunnerManifest
  ) throws(HostError) -> [Device] {
    var reported: [(kind: DeviceKind, pointer: UnsafePointer<stadion_device>, formats: [String])] = []
    for index in 0..<UInt32(64) {
      guard let pointer = table.pointee.device(index) else { break }
      guard pointer.pointee.struct_size >= UInt32(MemoryLayout<stadion_device>.size),
        pointer.pointee.struct_size <= 4096, let word = pointer.pointee.kind_name,
        let kind = DeviceKind(String(cString: word))
      else { throw HostError(.incompatibleRunner, "\(manifest.id): device \(index) has no valid size or kind name") }
      reported.append((kind, pointer, formats(pointer)))
    }
    var devices: [Device] = []
    for claim in manifest.devices {
      let matches = reported.filter {
        $0.kind == claim.kind && (claim.ordinal == nil || claim.ordinal == Int($0.pointer.pointee.ordinal))
      }
      for match in matches {
        let missing = manifest.models.formats.filter { !match.formats.contains($0) }
        guard missing.isEmpty else {
          throw HostError(
            .incompatibleRunner,
            "\(manifest.id): the manifest claims \(missing.joined(separator: ", ")), "
              + "the runner serves \(match.formats.isEmpty ? "nothing" : match.formats.joined(separator: ", "))")
        }
        guard !manifest.models.dynamicShapes || match.pointer.pointee.flags & 1 != 0 else {
          throw HostError(
            .incompatibleRunner, "\(manifest.id): the manifest claims dynamic shapes, the runner has none")
        }
        let runs = max(1, Int(match.pointer.pointee.max_concurrent_runs))
        devices.append(
          Device(
            kind: match.kind, maxConcurrentRuns: min(runs, claim.maxConcurrentRuns ?? runs),
            formats: manifest.models.formats, pointer: match.pointer))
      }
    }
    guard !devices.isEmpty else {
      let claimed = manifest.devices.map(\.kind.name).joined(separator: ", ")
      let has = reported.map(\.kind.name).joined(separator: ", ")
      throw HostError(
        .incompatibleRunner,
        "\(manifest.id): the manifest names \(claimed), the runner has \(has.isEmpty ? "none" : has)")
    }
    return devices
  }

  private static func formats(_ device: UnsafePointer<stadion_device>) -> [String] {
    guard let list = device.pointee.formats else { return [] }
    var formats: [String] = []
    while formats.count < 256, let word = list[formats.count] { formats.append(String(cString: word)) }
    return formats
  }
}

/// The contract's version that this host was built with.
enum RunnerABI {
  static let major = SupportedABI.host.newest.major
  static let minor = SupportedABI.host.newest.minor
}

/// A caller-owned error record, and what it means to the host's callers.
final class ErrorRecord {
  let pointer: UnsafeMutablePointer<stadion_error>

  init() {
    pointer = .allocate(capacity: 1)
    pointer.initialize(to: stadion_error())
    pointer.pointee.struct_size = UInt32(MemoryLayout<stadion_error>.size)
  }

  deinit { pointer.deallocate() }

  var message: String { Self.message(pointer) }

  func hostError(_ code: stadion_code, runnerID: String, doing: String) -> HostError {
    Self.hostError(pointer, code, runnerID: runnerID, doing: doing)
  }

  static func message(_ pointer: UnsafeMutablePointer<stadion_error>) -> String {
    // The record comes from a plugin: it may lack its NUL.
    let text = withUnsafeBytes(of: pointer.pointee.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    return text.isEmpty ? "no reason given" : text
  }

  static func hostError(
    _ pointer: UnsafeMutablePointer<stadion_error>, _ code: stadion_code, runnerID: String, doing: String
  ) -> HostError {
    let kind: HostError.Code =
      switch code {
      case Code.cancelled: .cancelled
      case Code.invalidArgument: .invalidRequest
      case Code.notFound: .notFound
      case Code.unsupported: .unsupported
      case Code.resourceExhausted, Code.unavailable: .overloaded
      case Code.deadlineExceeded: .deadlineExceeded
      case Code.failedPrecondition: .conflict
      case Code.incompatibleABI: .incompatibleRunner
      default: .runnerFailed
      }
    let native = pointer.pointee.native_code == 0 ? "" : " (native code \(pointer.pointee.native_code))"
    return HostError(kind, "runner \(runnerID) failed to \(doing): \(message(pointer))\(native)")
  }
}
