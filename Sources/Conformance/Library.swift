import CStadionRunner
import Glibc
import Inference

/// The opened library of a check's process, its table and one runner. Never closed.
final class Library: @unchecked Sendable {
  // @unchecked: pointers set once; a check calls with the threads that the contract allows.
  typealias Entry = @convention(c) (UInt32, UInt32) -> UnsafePointer<stadion_plugin>?

  let report: Report
  let subject: Subject
  let entry: Entry
  let table: UnsafePointer<stadion_plugin>
  let host: KitHost

  /// Opens the library and asks for its table.
  ///
  /// - Throws: `Stop` after a finding.
  init(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    self.subject = subject
    self.report = report
    host = KitHost(report: report, options: subject.runnerOptions)
    report.doing("opening the library")
    guard let handle = dlopen(subject.path, RTLD_NOW | RTLD_LOCAL) else {
      let reason = String(cString: dlerror())
      let rule: Rule =
        reason.contains("undefined symbol")
        ? .librarySymbols : reason.contains("static TLS") ? .libraryTLS : .libraryOpen
      throw report.stop(rule, reason)
    }
    guard let symbol = dlsym(handle, STADION_ENTRY_SYMBOL) else {
      throw report.stop(.entryMissing, "dlsym finds no \(STADION_ENTRY_SYMBOL)")
    }
    entry = unsafeBitCast(symbol, to: Entry.self)
    report.doing("calling the entry")
    guard let table = entry(STADION_ABI_MAJOR, STADION_ABI_MINOR) else {
      throw report.stop(.entryNull, "entry(\(STADION_ABI_MAJOR), \(STADION_ABI_MINOR)) returned NULL")
    }
    self.table = table
  }

  /// What must be right before any function is called. Reports all that is wrong.
  func checkTable() throws(Report.Stop) {
    let size = Int(table.pointee.struct_size)
    let expected = MemoryLayout<stadion_plugin>.size
    guard size >= 12, size <= 4096 else { throw report.stop(.tableSize, "struct_size is \(size), not \(expected)") }
    let (major, minor) = (table.pointee.abi_major, table.pointee.abi_minor)
    guard let least = SupportedABI.host.tableByteCount(of: ABIVersion(major: Int(major), minor: Int(minor))) else {
      throw report.stop(.tableABI, "the table says \(major).\(minor), this host opens \(SupportedABI.host)")
    }
    guard size >= least else { throw report.stop(.tableSize, "struct_size is \(size), not \(least)") }
    // Field by field: the whole would be read beyond the end of an older runner's table.
    let id = table.pointee.id.map { String(cString: $0) } ?? ""
    if id.isEmpty { report.find(.tableID, table.pointee.id == nil ? "id is NULL" : "id is empty") }
    if table.pointee.version == nil { report.find(.tableVersion, "version is NULL") }
    let functions: [(String, Bool)] = [
      ("open", table.pointee.open == nil), ("close", table.pointee.close == nil),
      ("device", table.pointee.device == nil), ("create", table.pointee.create == nil),
      ("destroy", table.pointee.destroy == nil), ("load", table.pointee.load == nil),
      ("unload", table.pointee.unload == nil), ("signature", table.pointee.signature == nil),
      ("run", table.pointee.run == nil),
    ]
    let missing = functions.filter(\.1).map(\.0)
    if !missing.isEmpty { throw report.stop(.tableFunction, "NULL: \(missing.joined(separator: ", "))") }
  }

  /// Probes and opens.
  func start() throws(Report.Stop) {
    try checkTable()
    if let probe = table.pointee.probe {
      report.doing("probe")
      let error = ErrorRecord()
      if probe(error.pointer) == 0 { throw report.stop(.probeZero, "probe returned 0: \(error.message)") }
    }
    report.doing("open")
    let error = ErrorRecord()
    let code = table.pointee.open(host.pointer, error.pointer)
    error.check(code, after: "open", report)
    guard code == Code.ok else { throw report.stop(.openFailed, "code \(code): \(error.message)") }
  }

  /// Nil past the end.
  func device(_ index: UInt32 = 0) -> UnsafePointer<stadion_device>? { table.pointee.device(index) }

  func create(_ device: UnsafePointer<stadion_device>, _ options: [Subject.Option]? = nil) -> (
    stadion_code, OpaquePointer?
  ) {
    let list = Views.options(options ?? subject.runnerOptions)
    let untouched = OpaquePointer(bitPattern: 0x5AD1_0000)
    var out = untouched
    let error = ErrorRecord()
    let code = table.pointee.create(device, list.baseAddress, list.count, &out, error.pointer)
    error.check(code, after: "create", report)
    return (code, checked(code, out, untouched, "create"))
  }

  func load(
    _ runner: OpaquePointer, path: String? = nil, options: [Subject.Option]? = nil, ticket: KitTicket = KitTicket()
  ) -> (code: stadion_code, model: OpaquePointer?, message: String) {
    let list = Views.options(options ?? subject.options)
    let untouched = OpaquePointer(bitPattern: 0x5AD2_0000)
    var out = untouched
    let error = ErrorRecord()
    // Runners without a model file get a folder, as from the host.
    let code = table.pointee.load(
      runner, ticket.pointer, Views.text(path ?? subject.model ?? "/tmp"), list.baseAddress, list.count, &out,
      error.pointer)
    error.check(code, after: "load", report)
    return (code, checked(code, out, untouched, "load"), error.message)
  }

  private func checked(
    _ code: stadion_code, _ out: OpaquePointer?, _ untouched: OpaquePointer?, _ call: String
  ) -> OpaquePointer? {
    if code != Code.ok {
      if out != untouched { report.find(.outTouched, "\(call) returned \(code) and wrote to *out") }
      return nil
    }
    if out == untouched || out == nil {
      report.find(.outMissing, "\(call) returned OK and *out is \(out == nil ? "NULL" : "as before")")
      return nil
    }
    return out
  }

  /// A runner on the first device.
  func runner() throws(Report.Stop) -> OpaquePointer {
    try start()
    report.doing("device 0")
    guard let device = device() else { throw report.stop(.deviceNone, "device(0) returned NULL") }
    report.doing("create")
    let (code, runner) = create(device)
    guard let runner else { throw report.stop(.createFailed, "code \(code)") }
    return runner
  }
}
