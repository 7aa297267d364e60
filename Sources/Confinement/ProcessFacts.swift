import CConfinement
import Wire

/// What the kernel says of this process.
enum ProcessFacts {
  private static let limit = 1 << 20  // bytes; a machine with many containers has long lists of mounts

  /// Empty where the file can't be read.
  static func lines(_ path: String) -> [String] {
    guard let bytes = try? SmallFile.read(path, limit: limit) else { return [] }
    return bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
  }

  /// A number of /proc/self/status: `status("VmData:")` in KiB.
  static func status(_ key: String) -> Int? {
    let line = lines("/proc/self/status").first { $0.hasPrefix(key) }
    return line?.dropFirst(key.count).split(whereSeparator: { $0 == " " || $0 == "\t" }).first.flatMap { Int($0) }
  }

  /// Where the process's Swift runtime lies; nil if it is part of the executable.
  static var swiftRuntimeFolder: String? {
    guard let path = linux_library_with("swift_retain").map({ String(cString: $0) }) else { return nil }
    let library = "/libswiftCore.so"
    return path.hasSuffix(library) ? String(path.dropLast(library.count)) : nil
  }
}
