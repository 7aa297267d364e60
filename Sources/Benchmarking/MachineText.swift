import Glibc

/// What the machine is called.
enum MachineText {
  /// As `AMD EPYC 7763, 2 cores`; the architecture alone where nobody says more.
  static var processor: String {
    let name = lines("/proc/cpuinfo").first { $0.hasPrefix("model name") }
      .flatMap { $0.split(separator: ":", maxSplits: 1).last.map { String($0.drop { $0 == " " }) } }
    let cores = sysconf(CInt(_SC_NPROCESSORS_ONLN))
    return "\(name ?? "unknown processor"), \(cores) \(cores == 1 ? "core" : "cores")"
  }

  private static func lines(_ path: String) -> [Substring] {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return [] }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 16 * 1024)
    let count = read(file, &bytes, bytes.count)
    return String(decoding: bytes[..<max(count, 0)], as: UTF8.self).split(separator: "\n")
  }
}
