import Foundation

/// A run of `ConfinementProbe`: what it printed and how it ended.
struct Probe {
  let output: String
  /// Exit code, or the signal that ended it.
  let status: Int32
  let endedBySignal: Bool

  static let escaping = product("libEscapingRunner.so")

  /// A product beside the test bundle, whichever build system made it.
  static func product(_ name: String) -> String {
    let executable = try! FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(fileURLWithPath: executable).deletingLastPathComponent().appendingPathComponent(name).path
  }

  init(library: String = escaping, _ words: [String], input: FileHandle = .nullDevice) throws {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: Self.product("ConfinementProbe"))
    process.arguments = ["library=\(library)"] + words
    process.standardInput = input
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    status = process.terminationStatus
    endedBySignal = process.terminationReason == .uncaughtSignal
  }

  /// What the line that begins with `word` says after it; nil without one.
  func line(_ word: String) -> String? {
    output.split(separator: "\n").first { $0.hasPrefix(word + " ") }.map { String($0.dropFirst(word.count + 1)) }
  }

  /// The errno of `try=…`, 0 for success; nil when the probe ended before it could say.
  func result(_ attempt: String) -> Int32? { line("try \(attempt)").flatMap { Int32($0) } }
}
