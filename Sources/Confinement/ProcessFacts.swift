import Glibc
import Wire

/// What the kernel says of this process.
enum ProcessFacts {
  // A process maps some hundred files at most; a line has at most a path and 100 bytes.
  private static let limit = 1 << 22

  static func lines(_ path: String) -> [Substring] {
    guard let bytes = try? SmallFile.read(path, limit: limit) else { return [] }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
  }

  /// A number of /proc/self/status: `status("VmData:")` in KiB.
  static func status(_ key: String) -> Int? {
    let line = lines("/proc/self/status").first { $0.hasPrefix(key) }
    return line?.dropFirst(key.count).split(whereSeparator: { $0 == " " || $0 == "\t" }).first.flatMap { Int($0) }
  }

  /// The folder of the mapped library with this file name; nil if none is mapped.
  static func folder(ofMapped library: String) -> String? {
    for line in lines("/proc/self/maps") where line.hasSuffix("/" + library) {
      guard let start = line.firstIndex(of: "/") else { continue }
      return String(line[start...].dropLast(library.count + 1))
    }
    return nil
  }
}
