import Foundation
import Testing

/// What an escape would reach: files of others, servers on this machine. Gone with its last reference.
final class Surroundings: Sendable {
  let folder: String
  /// Given to the runner.
  var own: String { folder + "/own/model.onnx" }
  /// Another tenant's.
  var other: String { folder + "/other/model.onnx" }
  var cache: String { folder + "/cache" }
  var streamServer: String { folder + "/stream.sock" }
  var datagramServer: String { folder + "/datagram.sock" }
  let port: UInt16
  /// Standard input of the probe: a datagram socket that is connected to nobody.
  let input: FileHandle
  private let servers: [Int32]

  init() throws {
    folder = NSTemporaryDirectory() + "stadion-confinement-\(UUID().uuidString)"
    for name in ["own", "other", "cache"] {
      try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
      try "weights".write(toFile: "\(folder)/\(name)/model.onnx", atomically: false, encoding: .utf8)
    }
    try FileManager.default.createSymbolicLink(
      atPath: "\(folder)/own/link.onnx", withDestinationPath: "../other/model.onnx")
    let stream = try Self.bound(folder + "/stream.sock", SOCK_STREAM)
    try #require(listen(stream, 8) == 0)
    let (tcp, port) = try Self.loopback()
    self.port = port
    servers = [stream, try Self.bound(folder + "/datagram.sock", SOCK_DGRAM), tcp]
    input = FileHandle(fileDescriptor: socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0), closeOnDealloc: true)
  }

  deinit {
    for server in servers { close(server) }
    try? FileManager.default.removeItem(atPath: folder)
  }

  private static func bound(_ path: String, _ kind: __socket_type) throws -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let server = socket(AF_UNIX, Int32(kind.rawValue | SOCK_CLOEXEC.rawValue), 0)
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let code = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(server, $0, size) }
    }
    try #require(code == 0)
    return server
  }

  private static func loopback() throws -> (Int32, UInt16) {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    let code = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
        bind(server, raw, size) | listen(server, 8) | getsockname(server, raw, &size)
      }
    }
    try #require(code == 0)
    return (server, UInt16(bigEndian: address.sin_port))
  }
}
