import CStadionRunner
import Glibc

/// Checks of create, load and their ends.
enum LifeChecks {
  @Sendable static func life(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    let threads = LibraryChecks.threadCount()
    let library = try Library(subject, report)
    let first = try library.runner()
    report.doing("destroy", crash: .life)
    library.table.pointee.destroy(first)
    library.table.pointee.destroy(nil)
    for round in 2...3 {
      report.doing("create, time \(round)", crash: .life)
      guard let device = library.device() else { throw report.stop(.deviceNone, "device(0) returned NULL, time 2") }
      let (code, runner) = library.create(device)
      guard let runner else { throw report.stop(.life, "create, time \(round): code \(code)") }
      library.table.pointee.destroy(runner)
    }
    report.doing("close")
    library.table.pointee.close()
    // A thread that has been joined is gone from /proc a moment later.
    for _ in 0..<100 where LibraryChecks.threadCount() > threads { usleep(5000) }
    let after = LibraryChecks.threadCount()
    if after > threads { report.find(.closeThreads, "\(threads) threads before open, \(after) after close") }
  }

  private static let oddities: [Subject.Option] = [
    .init("org.stadion.no-such-option", "1"), .init("", ""), .init("threads", "-1"), .init("threads", "99999999999999"),
    .init("ünïcode", "\u{1F3DF}"), .init("a%n%s%s%s", "%n%s%s"), .init(String(repeating: "k", count: 100_000), "v"),
    .init("value", String(repeating: "v", count: 1 << 20)),
  ]

  @Sendable static func oddOptions(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    let library = try Library(subject, report)
    let runner = try library.runner()
    guard let device = library.device() else { return }
    for option in oddities {
      report.doing("create with option \"\(option.key.prefix(40))\"", crash: .badOptions)
      if let made = library.create(device, subject.runnerOptions + [option]).1 { library.table.pointee.destroy(made) }
    }
    guard subject.hasModel else { return }
    for option in oddities {
      report.doing("load with option \"\(option.key.prefix(40))\"", crash: .badOptions)
      if let model = library.load(runner, options: subject.options + [option]).model {
        library.table.pointee.unload(model)
      }
    }
  }

  @Sendable static func badFiles(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    let library = try Library(subject, report)
    let runner = try library.runner()
    func load(_ what: String, _ path: String) -> stadion_code {
      report.doing("load of \(what)", crash: .loadCrash)
      let loaded = library.load(runner, path: path)
      if let model = loaded.model { library.table.pointee.unload(model) }
      return loaded.code
    }
    let missing = load("a missing file", "/nonexistent/stadion-runner-check.model")
    // A runner that is given options in place of a file may never look at the path.
    if missing == Code.ok, subject.model != nil { report.find(.loadMissing, "load of a missing file returned OK") }
    var noise: UInt32 = 2_463_534_242
    let garbage = (0..<65536).map { _ -> UInt8 in
      noise ^= noise << 13
      noise ^= noise >> 17
      noise ^= noise << 5
      return UInt8(truncatingIfNeeded: noise)
    }
    for (what, bytes) in [("an empty file", []), ("a file of 64 KiB of noise", garbage)] {
      guard let path = file(bytes) else { continue }
      let code = load(what, path)
      if code == Code.ok, subject.model != nil { report.find(.loadGarbage, "load of \(what) returned OK") }
      unlink(path)
    }
  }

  private static func file(_ bytes: [UInt8]) -> String? {
    var name = Array("/tmp/stadion-check-XXXXXX".utf8CString)
    let descriptor = mkstemp(&name)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    return String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  @Sendable static func model(_ subject: Subject, _ report: Report) throws(Report.Stop) {
    let library = try Library(subject, report)
    let runner = try library.runner()
    let model = try Model(library, runner: runner)
    let again = try Model.signature(library, model.pointer, outputs: true)
    if again.map(\.spec) != model.outputs.map(\.spec) || again.map(\.name) != model.outputs.map(\.name) {
      report.find(.signatureStable, "asked twice, the outputs differ")
    }
    if let metadata = library.table.pointee.metadata {
      report.doing("metadata")
      var index: UInt32 = 0
      while let pair = metadata(model.pointer, index)?.pointee {
        for text in [pair.key, pair.value] where !isText(text) {
          report.find(.metadataText, "pair \(index) isn't UTF-8, or NULL with a size of \(text.size)")
        }
        index += 1
        if index > UInt32(Model.maxTensors) { throw report.stop(.metadataEnd, "more than \(Model.maxTensors) pairs") }
      }
    }
    model.unload()
    report.doing("unload of NULL", crash: .life)
    library.table.pointee.unload(nil)
    try Model(library, runner: runner).unload()
    report.doing("destroy")
    library.table.pointee.destroy(runner)
    report.doing("close")
    library.table.pointee.close()
  }

  private static func isText(_ text: stadion_text) -> Bool {
    guard text.size > 0 else { return true }
    guard let data = text.data, text.size <= 1 << 24 else { return false }
    return String(validating: UnsafeRawBufferPointer(start: data, count: text.size), as: UTF8.self) != nil
  }
}
