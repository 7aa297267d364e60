import CLinux
import Glibc
import Inference

/// The files of one control group.
struct ControlFiles {
  let path: String

  init(_ path: String) { self.path = path }

  func exists(_ name: String) -> Bool { access("\(path)/\(name)", F_OK) == 0 }

  func words(_ name: String) -> [String] {
    ProcessFacts.lines("\(path)/\(name)").flatMap { $0.split(separator: " ") }.map(String.init)
  }

  func make() throws(HostError) {
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw failure("make control group \(path)") }
  }

  /// - Throws: `.unsupported`: a kernel that refuses a value has its reasons outside the host.
  func write(_ name: String, _ value: String) throws(HostError) {
    let file = linux_open("\(path)/\(name)", O_WRONLY, 0)
    guard file >= 0 else { throw failure("open \(path)/\(name)") }
    defer { close(file) }
    let bytes = Array(value.utf8)
    guard Glibc.write(file, bytes, bytes.count) == bytes.count else {
      throw failure("write \"\(value)\" to \(path)/\(name)")
    }
  }

  private func failure(_ doing: String) -> HostError {
    HostError(.unsupported, "can't \(doing): \(String(cString: strerror(errno)))")
  }
}
