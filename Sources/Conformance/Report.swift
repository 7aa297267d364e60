import Glibc
import Synchronization
import Wire

/// What a check tells its parent: one JSON line each on a pipe, written at once, so that nothing is lost in a crash.
final class Report: Sendable {
  /// The check can't go on; why has been reported.
  struct Stop: Error {}

  let descriptor: Int32
  private let found = Mutex<Set<String>>([])
  private let isRepeating = Atomic(false)

  init(descriptor: Int32) { self.descriptor = descriptor }

  /// Reports a finding, of each rule the first. Any thread.
  func find(_ rule: Rule, _ seen: String) {
    guard found.withLock({ $0.insert(rule.id).inserted }) else { return }
    write(.object([.init("finding", .string(rule.id)), .init("seen", .string(seen))]))
  }

  func stop(_ rule: Rule, _ seen: String) -> Stop {
    find(rule, seen)
    return Stop()
  }

  var hasFindings: Bool { found.withLock { !$0.isEmpty } }

  /// Says what comes next, and which rule is broken if the process doesn't survive it.
  func doing(_ what: String, crash: Rule = .crash, hang: Rule = .hang) {
    if isRepeating.load(ordering: .relaxed) { return }
    write(
      .object([.init("doing", .string(what)), .init("crash", .string(crash.id)), .init("hang", .string(hang.id))]))
  }

  /// Says `what` once for all that `body` does, which may be ten thousand calls.
  func repeating<Result>(
    _ what: String, _ body: () throws(Stop) -> Result
  ) throws(Stop) -> Result {
    doing(what)
    isRepeating.store(true, ordering: .relaxed)
    defer { isRepeating.store(false, ordering: .relaxed) }
    return try body()
  }

  /// A fact that is no finding: bytes per cycle, runs that were compared.
  func note(_ text: String) { write(.object([.init("note", .string(text))])) }

  func done() { write(.object([.init("done", .bool(true))])) }

  private func write(_ value: JSONValue) {
    let bytes = Array((value.text + "\n").utf8)
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + sent, bytes.count - sent) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      sent += count
    }
  }
}
