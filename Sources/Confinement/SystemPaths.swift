import Glibc

/// What a process reads whatever its runner is.
enum SystemPaths {
  /// Libraries, and data that they read; facts on the processor that engines choose their threads by.
  static var readable: [String] {
    // A Swift plugin shares the host's runtime, and may need libraries of it that the host has not.
    libraries + data + processor + pciDevices + (ProcessFacts.swiftRuntimeFolder.map { [$0] } ?? [])
  }

  private static let libraries = [
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64", "/etc/ld.so.cache",
  ]
  private static let data = [
    "/etc/localtime", "/usr/share/zoneinfo", "/usr/share/locale", "/usr/share/i18n", "/dev/urandom", "/dev/random",
  ]
  private static let processor = [
    "/sys/devices/system", "/sys/fs/cgroup", "/sys/kernel/mm/hugepages", "/sys/kernel/mm/transparent_hugepage",
  ]

  /// Engines look for accelerators, and complain when they can't. The names are links to folders elsewhere.
  private static var pciDevices: [String] {
    let list = "/sys/bus/pci/devices"
    guard let folder = opendir(list) else { return [] }
    defer { closedir(folder) }
    var paths = [list]
    while let entry = readdir(folder) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if !name.hasPrefix(".") { paths.append("\(list)/\(name)") }
    }
    return paths
  }

  static let writableDevices = ["/dev/null", "/dev/zero"]

  /// Of the process itself, by name: below /proc/self/net and /proc/self/task/*/net are everybody's sockets.
  static let ownFacts =
    [
      "auxv", "cgroup", "cmdline", "fd", "limits", "maps", "mountinfo", "mounts", "numa_maps", "smaps", "stat", "statm",
      "status",
    ].map { "/proc/self/\($0)" } + [
      "/proc/cpuinfo", "/proc/filesystems", "/proc/loadavg", "/proc/meminfo", "/proc/stat", "/proc/version",
      "/proc/sys/kernel/osrelease", "/proc/sys/vm/max_map_count", "/proc/sys/vm/overcommit_memory",
    ]

  /// How drivers find their devices.
  static let factsOfDevices = ["/sys/bus", "/sys/class", "/sys/dev", "/sys/devices", "/sys/module", "/proc/driver"]
}
