import CStadionRunner
import Glibc
import Inference

/// Checks that need no runner.
enum LibraryChecks {
  @Sendable static func exports(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    do {
      let file = try ELFFile(subject.path)
      if file.hasStaticTLS { report.find(.libraryTLSFlag, "DT_FLAGS has STATIC_TLS") }
      let others = file.exports.filter { $0 != STADION_ENTRY_SYMBOL }
      if others.isEmpty { return }
      let shown = others.prefix(5).joined(separator: ", ")
      report.find(.exports, "\(others.count) more: \(shown)\(others.count > 5 ? ", …" : "")")
    } catch {
      report.find(.libraryFile, error.reason)
    }
  }

  @Sendable static func entry(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    let threads = threadCount()
    let library = try Library(subject, report)
    report.doing("calling the entry 1000 times")
    for count in 0..<1000 {
      if library.entry(STADION_ABI_MAJOR, STADION_ABI_MINOR) != library.table {
        throw report.stop(.entrySame, "call \(count + 2) returned another address than the first")
      }
      // A major that nobody has yet, and the largest.
      for major in [STADION_ABI_MAJOR + 1 + UInt32(count), .max]
      where library.entry(major, STADION_ABI_MINOR) != nil {
        throw report.stop(.entryMajor, "entry(\(major), \(STADION_ABI_MINOR)) returned a table")
      }
    }
    let after = threadCount()
    if after > threads { report.find(.entryThreads, "\(threads) threads before, \(after) after") }
  }

  @Sendable static func table(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    try Library(subject, report).checkTable()
  }

  @Sendable static func devices(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    let library = try Library(subject, report)
    try library.start()
    report.doing("device")
    var count: UInt32 = 0
    while let device = library.device(count)?.pointee {
      check(device, "device \(count)", report)
      count += 1
      if count > 64 { throw report.stop(.deviceEnd, "more than 64 devices") }
    }
    if count == 0 { throw report.stop(.deviceNone, "device(0) returned NULL") }
    for index in [count, count + 1, 1 << 16, .max] where library.device(index) != nil {
      report.find(.deviceEnd, "device(\(index)) isn't NULL with \(count) devices")
    }
    report.doing("close")
    library.table.pointee.close()
  }

  private static func check(_ device: stadion_device, _ place: String, _ report: Report) {
    guard device.struct_size >= 56, device.struct_size <= 4096 else {
      return report.find(.deviceSize, "\(place) has struct_size \(device.struct_size), not 56")
    }
    if let word = device.kind_name.map({ String(cString: $0) }) {
      if DeviceKind(word) == nil { report.find(.deviceKind, "\(place) has kind_name \"\(word)\"") }
    } else {
      report.find(.deviceKind, "\(place) has kind_name NULL")
    }
    if let formats = device.formats {
      var count = 0
      while count < 256, formats[count] != nil { count += 1 }
      if count == 0 || count == 256 { report.find(.deviceFormats, "\(place) has \(count) formats or no end") }
    } else {
      report.find(.deviceFormats, "\(place) has formats NULL")
    }
    if device.max_concurrent_runs == 0 { report.find(.deviceRuns, "\(place) has max_concurrent_runs 0") }
  }

  static func threadCount() -> Int {
    guard let folder = opendir("/proc/self/task") else { return 0 }
    defer { closedir(folder) }
    var count = 0
    while readdir(folder) != nil { count += 1 }
    return count - 2  // . and ..
  }
}
