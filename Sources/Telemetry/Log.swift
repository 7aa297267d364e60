import CLinux
import Glibc
import Synchronization
import Wire

/// The host's log: one line an event on standard error, text on a terminal, a JSON object otherwise.
///
/// Any thread. A line is one `write`, so lines never mix.
package enum Log {
  package enum Level: Int, Sendable, CaseIterable {
    case debug, info, warning, error

    package var name: String { String(describing: self) }

    package init?(name: String) {
      guard let level = Self.allCases.first(where: { $0.name == name }) else { return nil }
      self = level
    }
  }

  /// The request that the present task serves: every line of the log names it and its tenant. Bound where requests are rare; where
  /// they are many, binding would cost each of them an allocation, and lines name theirs themselves.
  @TaskLocal package static var request: RequestContext?

  package struct RequestContext: Sendable {
    let id: String
    /// Nil where a host keeps none.
    let tenant: String?
    /// Nil where its sender traces nothing.
    let traceID: String?

    package init(id: String, tenant: String?, traceID: String? = nil) {
      self.id = id
      self.tenant = tenant
      self.traceID = traceID
    }
  }

  /// A bit for each level that is written.
  private static let enabled = Atomic<Int>(mask(from: .info))
  private static let isTerminal = isatty(STDERR_FILENO) == 1

  package static var level: Level {
    get { Level.allCases.first { isEnabled($0) } ?? .error }
    set { enabled.store(mask(from: newValue), ordering: .relaxed) }
  }

  private static func mask(from level: Level) -> Int {
    Level.allCases.reduce(0) { $1.rawValue >= level.rawValue ? $0 | 1 << $1.rawValue : $0 }
  }

  /// Turns one level on or off, whatever the others are.
  package static func enable(_ level: Level, _ isOn: Bool) {
    if isOn {
      enabled.bitwiseOr(1 << level.rawValue, ordering: .relaxed)
    } else {
      enabled.bitwiseAnd(~(1 << level.rawValue), ordering: .relaxed)
    }
  }

  @inline(__always)
  package static func isEnabled(_ level: Level) -> Bool {
    enabled.load(ordering: .relaxed) & 1 << level.rawValue != 0
  }

  package static func debug(_ message: @autoclosure () -> String, _ fields: (String, String)...) {
    write(.debug, message, fields)
  }
  package static func info(_ message: @autoclosure () -> String, _ fields: (String, String)...) {
    write(.info, message, fields)
  }
  package static func warning(_ message: @autoclosure () -> String, _ fields: (String, String)...) {
    write(.warning, message, fields)
  }
  package static func error(_ message: @autoclosure () -> String, _ fields: (String, String)...) {
    write(.error, message, fields)
  }

  package static func write(_ level: Level, _ message: () -> String, _ fields: [(String, String)]) {
    guard isEnabled(level) else { return }
    var fields = fields
    if let request {
      if let traceID = request.traceID, !fields.contains(where: { $0.0 == "traceId" }) {
        fields.insert(("traceId", traceID), at: 0)
      }
      if let tenant = request.tenant, !fields.contains(where: { $0.0 == "tenant" }) {
        fields.insert(("tenant", tenant), at: 0)
      }
      if !fields.contains(where: { $0.0 == "requestId" }) { fields.insert(("requestId", request.id), at: 0) }
    }
    let line = ByteBuffer(capacity: 256)
    if isTerminal {
      line.append(WallClock.text(ms: WallClock.nowMs))
      line.append(" \(level.name) \(message())")
      for (key, value) in fields { line.append(" \(key)=\(value)") }
    } else {
      line.append("{\"time\":\"")
      line.append(WallClock.text(ms: WallClock.nowMs))
      line.append("\",\"level\":\"\(level.name)\",\"message\":")
      line.append(json: message())
      for (key, value) in fields {
        line.append(",")
        line.append(json: key)
        line.append(":")
        line.append(json: value)
      }
      line.append("}")
    }
    line.append(UInt8(ascii: "\n"))
    _ = Glibc.write(STDERR_FILENO, line.base, line.count)
  }
}
