import CLinux
import Glibc

/// Where the server listens.
package enum ListenAddress: Sendable, Equatable, CustomStringConvertible {
  case unix(path: String)
  /// A loopback address; port 0 lets the system choose.
  case tcp(host: String, port: UInt16)

  package var description: String {
    switch self {
    case .unix(let path): "unix:\(path)"
    case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
  }
}

package struct ListenError: Error, CustomStringConvertible {
  package let description: String
}

/// Opening listening sockets. Blocking calls; on start only.
enum Listening {
  private static let backlog: CInt = 4096

  static func open(_ address: ListenAddress) throws(ListenError) -> CInt {
    switch address {
    case .unix(let path): try openUnix(path)
    case .tcp(let host, let port): try openTCP(host, port)
    }
  }

  private static func openUnix(_ path: String) throws(ListenError) -> CInt {
    var address = sockaddr_un()
    let capacity = MemoryLayout.size(ofValue: address.sun_path) - 1
    guard (1...capacity).contains(path.utf8.count) else {
      throw ListenError(
        description: "socket path \(path) has \(path.utf8.count) bytes, at most \(capacity) are possible")
    }
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let length = socklen_t(MemoryLayout<sockaddr_un>.size)
    // Two hosts that start at once must not both take the same socket for stale: one waits for the other here.
    let slash = path.lastIndex(of: "/")
    let lock = linux_open(slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? ".", O_RDONLY, 0)
    if lock >= 0 { flock(lock, LOCK_EX) }
    defer { if lock >= 0 { close(lock) } }
    let descriptor = try newSocket(AF_UNIX)
    try removeStale(path, address, length)
    // Nobody can connect before `listen`, and the mode is right by then. Not by umask, which is the whole process's: what
    // other threads make meanwhile would get it, too.
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
    }
    guard bound == 0, chmod(path, 0o660) == 0, listen(descriptor, backlog) == 0 else {
      let reason = String(cString: strerror(errno))
      close(descriptor)
      throw ListenError(description: "can't listen on \(path): \(reason)")
    }
    return descriptor
  }

  /// Removes a socket that nobody listens on any more; one in use is an error, and so is any other kind of file.
  private static func removeStale(_ path: String, _ address: sockaddr_un, _ length: socklen_t) throws(ListenError) {
    var info = stat()
    guard lstat(path, &info) == 0 else { return }
    guard info.st_mode & S_IFMT == S_IFSOCK else {
      throw ListenError(description: "\(path) exists and is not a socket; remove it or choose another --socket")
    }
    let probe = try newSocket(AF_UNIX)
    defer { close(probe) }
    var address = address
    let answer = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(probe, $0, length) }
    }
    let isStale = answer == 0 ? ListeningProcess.hasEnded(probe) : errno == ECONNREFUSED
    guard isStale else {
      throw ListenError(description: "\(path) is in use by another process; stop it or choose another --socket")
    }
    unlink(path)
  }

  private static func openTCP(_ host: String, _ port: UInt16) throws(ListenError) -> CInt {
    var hints = addrinfo()
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
    hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    let numeric = host == "localhost" ? "127.0.0.1" : host
    guard getaddrinfo(numeric, String(port), &hints, &found) == 0, let info = found else {
      throw ListenError(description: "\(host) is not an IP address")
    }
    defer { freeaddrinfo(found) }
    guard isLoopback(info.pointee) else {
      throw ListenError(
        description:
          "\(host) is not a loopback address; nobody is authenticated on TCP, so only 127.0.0.0/8 and ::1 are served")
    }
    let descriptor = try newSocket(info.pointee.ai_family)
    var yes: CInt = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, 4)
    guard bind(descriptor, info.pointee.ai_addr, info.pointee.ai_addrlen) == 0, listen(descriptor, backlog) == 0 else {
      let reason = String(cString: strerror(errno))
      close(descriptor)
      throw ListenError(description: "can't listen on \(host):\(port): \(reason)")
    }
    return descriptor
  }

  private static func isLoopback(_ info: addrinfo) -> Bool {
    if info.ai_family == AF_INET {
      return info.ai_addr.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
        UInt32(bigEndian: $0.pointee.sin_addr.s_addr) >> 24 == 127
      }
    }
    return info.ai_addr.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
      withUnsafeBytes(of: $0.pointee.sin6_addr) { bytes in bytes.dropLast().allSatisfy { $0 == 0 } && bytes[15] == 1 }
    }
  }

  /// The port that the system chose.
  static func boundPort(_ descriptor: CInt) -> UInt16 {
    var address = sockaddr_in6()
    var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    _ = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    // The port stands at the same place for both families.
    return UInt16(bigEndian: address.sin6_port)
  }

  private static func newSocket(_ family: CInt) throws(ListenError) -> CInt {
    let kind = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
    let descriptor = socket(family, kind, 0)
    guard descriptor >= 0 else {
      throw ListenError(description: "can't open a socket: \(String(cString: strerror(errno)))")
    }
    return descriptor
  }
}
