import Foundation

extension Setup {
  /// By coreutils, which knows nothing of the host.
  static func sha256(_ bytes: [UInt8]) -> String {
    let result = try! Command.run(["sha256sum"], input: bytes)
    return String(result.output.prefix(64))
  }
}
