import Glibc

/// What a process reads whatever its runner is.
enum SystemPaths {
  /// Libraries, and data that they read; facts on the processor that engines choose their threads by.
  static var readable: [String] {
    // A Swift plugin shares the host's runtime, and may need libraries of it that the host has not.
    let swiftRuntime = ProcessFacts.folder(ofMapped: "libswiftCore.so").map { [$0] } ?? []
    return libraries + data + processor + swiftRuntime
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
