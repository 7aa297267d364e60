public import CStadionRunner
import Glibc

/// The C table of a plugin. A plugin needs these lines and nothing else that knows of C:
///
/// ```swift
/// private let table = PluginTable(MyPlugin.self)
///
/// @c(stadion_plugin_entry)
/// public func entry(_ hostMajor: UInt32, _ hostMinor: UInt32) -> UnsafePointer<stadion_plugin>? {
///   table.pointer(hostMajor: hostMajor)
/// }
/// ```
/// One per library. The table and its text are allocated once and live as long as the process.
public struct PluginTable: @unchecked Sendable {  // constant after init, but for `engine`, which has one writer: create
  let raw: UnsafeMutablePointer<stadion_plugin>

  public init(_ plugin: (some RunnerPlugin).Type) {
    precondition(served == nil, "a library holds one plugin")
    raw = .allocate(capacity: 1)
    raw.initialize(to: stadion_plugin())
    raw.pointee.struct_size = UInt32(MemoryLayout<stadion_plugin>.size)
    raw.pointee.abi_major = STADION_ABI_MAJOR
    raw.pointee.abi_minor = STADION_ABI_MINOR
    raw.pointee.id = UnsafePointer(strdup(plugin.id))
    raw.pointee.version = UnsafePointer(strdup(plugin.version))
    served = Served(plugin, table: raw)
    served.nameEngine()
    setPluginFunctions()
    setModelFunctions()
  }

  /// Nil for a host of another major version. [any]
  public func pointer(hostMajor: UInt32) -> UnsafePointer<stadion_plugin>? {
    hostMajor == STADION_ABI_MAJOR ? UnsafePointer(raw) : nil
  }

  private func setPluginFunctions() {
    raw.pointee.probe = { error in
      var score: UInt32 = 0
      _ = reporting(to: error) { () throws(RunnerError) in score = try served.plugin.probe() }
      return score
    }
    raw.pointee.open = { host, error in
      guard let host else { return stadion_code(STADION_INVALID_ARGUMENT) }
      served.host = host
      return reporting(to: error) { () throws(RunnerError) in
        try served.plugin.open(Host(raw: host))
        served.devices = served.plugin.devices.map { ($0, $0.makeRaw()) }
        served.nameEngine()
      }
    }
    raw.pointee.close = {
      served.plugin.close()
      for device in served.devices { Device.free(device.raw) }
      served.devices = []
      served.host = nil
    }
    raw.pointee.device = { index in index < served.devices.count ? served.devices[Int(index)].raw : nil }
    raw.pointee.create = { device, options, count, out, error in
      reporting(to: error) { () throws(RunnerError) in
        let device = served.devices.first { $0.raw == device }
        guard let device, let out else { throw RunnerError(.invalidArgument, "create was given an unknown device") }
        let runner = try served.plugin.makeRunner(device.device, Options(options, count))
        served.nameEngine()
        out.pointee = OpaquePointer(Unmanaged.passRetained(HeldRunner(runner)).toOpaque())
      }
    }
    raw.pointee.destroy = { runner in
      if let runner { Unmanaged<HeldRunner>.fromOpaque(UnsafeRawPointer(runner)).release() }
    }
    raw.pointee.extension = { id in
      guard let id, strcmp(id, STADION_EXT_INTERRUPT) == 0 else { return nil }
      return UnsafeRawPointer(served.interrupt)
    }
  }

  private func setModelFunctions() {
    raw.pointee.load = { runner, ticket, path, options, count, out, error in
      reporting(to: error) { () throws(RunnerError) in
        guard let runner, let ticket, let out else { throw RunnerError(.invalidArgument, "load was given a NULL") }
        let held = Unmanaged<HeldRunner>.fromOpaque(UnsafeRawPointer(runner)).takeUnretainedValue()
        let model = try loadModel(held.runner, String(path), Options(options, count), Ticket(raw: ticket))
        out.pointee = OpaquePointer(Unmanaged.passRetained(HeldModel(model)).toOpaque())
      }
    }
    raw.pointee.unload = { model in
      if let model { Unmanaged<HeldModel>.fromOpaque(UnsafeRawPointer(model)).release() }
    }
    raw.pointee.signature = { model, outputs, index in
      held(model!) { (outputs ? $0.outputs : $0.inputs).tensor(at: Int(index)) }
    }
    raw.pointee.metadata = { model, index in held(model!) { $0.metadata.option(at: Int(index)) } }
    raw.pointee.run = { model, request, error in
      guard let model, let request, let host = served.host else { return stadion_code(STADION_FAILED_PRECONDITION) }
      return held(model) { held in
        reporting(to: error) { () throws(RunnerError) in try held.model.run(Request(raw: request, host: host)) }
      }
    }
  }
}

/// What the functions of the table work on: they are C functions and can't carry a type or a value of their own.
nonisolated(unsafe) private var served: Served!  // written by PluginTable.init (once), open, create, close: [control]

private struct Served {
  let plugin: any RunnerPlugin.Type
  let table: UnsafeMutablePointer<stadion_plugin>
  /// From `open` to `close`.
  var devices: [(device: Device, raw: UnsafePointer<stadion_device>)] = []
  let interrupt: UnsafePointer<stadion_ext_interrupt>?
  var host: UnsafePointer<stadion_host>?

  init<Plugin: RunnerPlugin>(_ plugin: Plugin.Type, table: UnsafeMutablePointer<stadion_plugin>) {
    self.plugin = plugin
    self.table = table
    guard Plugin.Runner.Loaded.self is any InterruptibleModel.Type else {
      interrupt = nil
      return
    }
    let functions = UnsafeMutablePointer<stadion_ext_interrupt>.allocate(capacity: 1)
    functions.initialize(to: stadion_ext_interrupt())
    functions.pointee.struct_size = UInt32(MemoryLayout<stadion_ext_interrupt>.size)
    functions.pointee.interrupt = { model, id in
      guard let model else { return }
      held(model) { ($0.model as? any InterruptibleModel)?.interrupt(ticket: id) }
    }
    interrupt = UnsafePointer(functions)
  }

  /// Fills in the engine's name as soon as the plugin knows it.
  func nameEngine() {
    guard table.pointee.engine == nil, let name = plugin.engine else { return }
    table.pointee.engine = UnsafePointer(strdup(name))
  }
}

extension RunnerPlugin {
  fileprivate static func makeRunner(_ device: Device, _ options: Options) throws(RunnerError) -> any RunnerKit.Runner {
    try Runner(device: device, options: options)
  }
}

private func loadModel(
  _ runner: some Runner, _ path: String, _ options: Options, _ ticket: Ticket
) throws(RunnerError) -> any Model {
  try runner.load(path: path, options: options, ticket: ticket)
}

/// Runs `body`; what it throws goes into the host's record.
@inline(__always)
private func reporting(
  to error: UnsafeMutablePointer<stadion_error>?, _ body: () throws(RunnerError) -> Void
) -> stadion_code {
  do {
    try body()
    return stadion_code(STADION_OK)
  } catch let failure {
    return failure.write(to: error)
  }
}

/// Without counting references: the host holds the model for the whole call.
@inline(__always)
private func held<Result>(_ model: OpaquePointer, _ body: (HeldModel) -> Result) -> Result {
  Unmanaged<HeldModel>.fromOpaque(UnsafeRawPointer(model))._withUnsafeGuaranteedRef(body)
}
