import Foundation

/// A server that would be reached: its port.
final class Listener {
  let descriptor: Int32
  let port: String

  init() throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let (descriptor, code) = withUnsafeMutablePointer(to: &address) { [descriptor] in
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        (descriptor, bind(descriptor, $0, size) | listen(descriptor, 8) | getsockname(descriptor, $0, &size))
      }
    }
    guard code == 0, descriptor >= 0 else { throw POSIXError(.EADDRNOTAVAIL) }
    port = String(UInt16(bigEndian: address.sin_port))
  }

  deinit { close(descriptor) }

  /// Whether somebody has connected.
  var wasReached: Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 0) > 0
  }
}
