import CStadionRunner
import Foundation
import Synchronization

/// A tensor as tests write it.
struct Tensor: Equatable {
  var name: String
  var dtype: Int
  var shape: [Int64]
  var bytes: [UInt8]

  init(_ name: String, dtype: Int, _ shape: [Int64], _ bytes: [UInt8]) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.bytes = bytes
  }

  init<Number: BitwiseCopyable>(_ name: String, _ dtype: Int, _ shape: [Int64], of numbers: [Number]) {
    self.init(name, dtype: dtype, shape, numbers.withUnsafeBytes { Array($0) })
  }

  /// The host's form of text.
  init(_ name: String, _ shape: [Int64], text: [String]) {
    let bytes = text.flatMap { text in
      withUnsafeBytes(of: UInt32(text.utf8.count).littleEndian) { Array($0) } + Array(text.utf8)
    }
    self.init(name, dtype: STADION_UTF8, shape, bytes)
  }

  func numbers<Number: BitwiseCopyable>(_: Number.Type = Number.self) -> [Number] {
    bytes.withUnsafeBytes { raw in
      (0..<raw.count / MemoryLayout<Number>.size).map {
        raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Number>.size, as: Number.self)
      }
    }
  }
}

/// What a plugin put into its error record.
struct Failure: Error, Equatable {
  var code: Int
  var message: String
  var source: String

  /// A wrong answer where none was refused.
  init(wrong message: String) { (code, self.message, source) = (0, message, "test") }

  init(_ code: stadion_code, _ error: stadion_error) {
    self.code = Int(code)
    message = withUnsafeBytes(of: error.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    source = withUnsafeBytes(of: error.source) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}

/// A plugin opened as a host opens it: dlopen, entry, open, device, create.
final class Plugin: @unchecked Sendable {  // the contract says what may be called from which thread
  let raw: UnsafePointer<stadion_plugin>
  private let host: UnsafeMutablePointer<stadion_host>

  static let echo = Plugin("libEchoRunner.so")
  static let onnxRuntime = Plugin("libOnnxRuntimeRunner.so")

  /// SwiftPM puts plugins beside the test bundle, whichever build system it uses; others have an absolute path.
  static func path(_ file: String) -> String {
    if file.hasPrefix("/") { return file }
    let executable = try! FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(fileURLWithPath: executable).deletingLastPathComponent().appendingPathComponent(file).path
  }

  static func entry(of file: String) -> stadion_entry_fn {
    guard let library = dlopen(path(file), RTLD_NOW | RTLD_LOCAL) else { fatalError(String(cString: dlerror())) }
    return unsafeBitCast(dlsym(library, STADION_ENTRY_SYMBOL)!, to: stadion_entry_fn.self)
  }

  /// - Parameter options: What the host tells a plugin before it is opened; nil for a host that doesn't.
  init(_ file: String, options: [String: String]? = nil) {
    raw = Self.entry(of: file)(STADION_ABI_MAJOR, STADION_ABI_MINOR)!
    host = .allocate(capacity: 1)
    host.initialize(to: stadion_host())
    host.pointee.struct_size = UInt32(MemoryLayout<stadion_host>.size)
    host.pointee.abi_minor = STADION_ABI_MINOR
    host.pointee.log = { _, _, _ in }
    host.pointee.allocate = { _, ticket, size in allocate(ticket!, size) }
    host.pointee.context = options.map { UnsafeMutableRawPointer(hostOptions($0)) }
    host.pointee.extension = { host, id in
      strcmp(id!, STADION_EXT_HOST_OPTIONS) == 0 ? UnsafeRawPointer(host!.pointee.context) : nil
    }
    var error = stadion_error()
    precondition(raw.pointee.open(host, &error) == 0)
  }

  /// A runner on the plugin's first device. Runners of tests live as long as the process.
  func create(_ options: [String: String] = [:]) throws -> OpaquePointer {
    var error = emptyError()
    var runner: OpaquePointer?
    let code = withOptions(options) { raw.pointee.create(raw.pointee.device(0), $0, $1, &runner, &error) }
    guard code == 0 else { throw Failure(code, error) }
    return runner!
  }

  func load(
    _ runner: OpaquePointer, _ path: String = "/", _ options: [String: String] = [:], ticket: TestTicket = TestTicket()
  ) throws -> LoadedModel {
    var error = emptyError()
    var model: OpaquePointer?
    let code = withOptions(options) { options, count in
      withText(path) { path in
        ticket.withRaw { raw.pointee.load(runner, $0, path, options, count, &model, &error) }
      }
    }
    guard code == 0 else { throw Failure(code, error) }
    // As the host ends: at exit engines unload parts that their threads are still in. The last that is asked for is
    // done first.
    on_exit({ status, _ in _exit(status) }, nil)
    return LoadedModel(self, model!)
  }
}

func emptyError() -> stadion_error {
  var error = stadion_error()
  error.struct_size = UInt32(MemoryLayout<stadion_error>.size)
  return error
}

private func withText<Result>(_ text: String, _ body: (stadion_text) -> Result) -> Result {
  var text = text
  return text.withUTF8 { utf8 in
    utf8.withMemoryRebound(to: CChar.self) { body(stadion_text(data: $0.baseAddress, size: $0.count)) }
  }
}

private func withOptions<Result>(
  _ options: [String: String], _ body: (UnsafePointer<stadion_option>?, Int) -> Result
) -> Result {
  rawOptions(options).withUnsafeBufferPointer { body($0.baseAddress, $0.count) }
}

/// In C and for ever, as the plugin's host is.
private func hostOptions(_ options: [String: String]) -> UnsafeMutablePointer<stadion_ext_host_options> {
  let list = UnsafeMutableBufferPointer<stadion_option>.allocate(capacity: options.count)
  _ = list.initialize(from: rawOptions(options))
  let all = UnsafeMutablePointer<stadion_ext_host_options>.allocate(capacity: 1)
  all.initialize(to: stadion_ext_host_options())
  all.pointee.struct_size = UInt32(MemoryLayout<stadion_ext_host_options>.size)
  all.pointee.count = UInt32(list.count)
  all.pointee.options = UnsafePointer(list.baseAddress)
  return all
}

private func rawOptions(_ options: [String: String]) -> [stadion_option] {
  func copy(_ text: String) -> stadion_text { stadion_text(data: strdup(text), size: text.utf8.count) }
  // Zero bytes survive, as strdup isn't trusted with them.
  return options.map { key, value in
    var pair = stadion_option(key: copy(key), value: copy(value))
    if value.utf8.contains(0) {
      let bytes = UnsafeMutablePointer<CChar>.allocate(capacity: value.utf8.count)
      for (at, byte) in value.utf8.enumerated() { bytes[at] = CChar(bitPattern: byte) }
      pair.value.data = UnsafePointer(bytes)
    }
    return pair
  }
}

/// Host memory that counts itself on its ticket.
private func allocate(_ ticket: UnsafePointer<stadion_ticket>, _ size: UInt64) -> UnsafeMutablePointer<stadion_buffer>?
{
  let ticket = TestTicket.of(ticket)
  guard ticket.quota.subtract(Int(size), ordering: .relaxed).newValue >= 0 else { return nil }
  var data: UnsafeMutableRawPointer?
  guard posix_memalign(&data, 64, max(Int(size), 64)) == 0, let data else { return nil }
  memset(data, 0xAA, Int(size))
  ticket.buffersOut.add(1, ordering: .relaxed)
  ticket.buffersMade.add(1, ordering: .relaxed)
  let buffer = UnsafeMutablePointer<stadion_buffer>.allocate(capacity: 1)
  buffer.initialize(to: stadion_buffer())
  buffer.pointee.struct_size = UInt32(MemoryLayout<stadion_buffer>.size)
  buffer.pointee.data = data
  buffer.pointee.byte_size = size
  buffer.pointee.context = Unmanaged.passRetained(ticket).toOpaque()
  buffer.pointee.release = { buffer in
    Unmanaged<TestTicket>.fromOpaque(buffer!.pointee.context!).takeRetainedValue()
      .buffersOut.subtract(1, ordering: .relaxed)
    free(buffer!.pointee.data)
    buffer!.deallocate()
  }
  return buffer
}
