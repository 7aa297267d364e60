import Foundation
import Testing
import Wire

/// `stadion runner check --json`, run as its users do.
struct RunnerCheck {
  let status: Int32
  /// Ids of the findings.
  let ids: [String]
  let output: String

  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  /// A product beside the test bundle.
  static func product(_ name: String) -> String {
    let executable = try! FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(fileURLWithPath: executable).deletingLastPathComponent().appendingPathComponent(name).path
  }

  /// - Parameter environment: Added to that of the tests.
  init(_ library: String, _ words: [String], environment: [String: String] = [:]) throws {
    let process = Process()
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: Self.product("stadion"))
    process.arguments = ["runner", "check", library, "--json"] + words
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let bytes = Array(pipe.fileHandleForReading.readDataToEndOfFile())
    process.waitUntilExit()
    status = process.terminationStatus
    output = String(decoding: bytes, as: UTF8.self)
    let findings = (try? JSONValue(parsing: bytes))?["findings"]?.array
    for finding in findings ?? [] {
      for key in ["id", "severity", "section", "contract", "seen", "mend"] {
        #expect(finding[key]?.string?.isEmpty == false, "a finding without \(key): \(finding.text)")
      }
    }
    ids = findings?.compactMap { $0["id"]?.string } ?? ["no JSON"]
  }
}
