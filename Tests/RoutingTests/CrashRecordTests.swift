import Running
import Testing

@testable import Routing

@Suite struct `A record of crashes` {
  private static let second: UInt64 = 1_000_000_000
  private var options = ProcessOptions()

  init() {
    options.backOffMs = 100
    options.longestBackOffMs = 1000
    options.quarantineCrashes = 0
  }

  /// Pauses after crashes at these times, each process started when the last one had crashed.
  private func pauses(_ record: inout CrashRecord, at seconds: [UInt64]) -> [Int?] {
    seconds.map { second in
      let pause = record.note(second * Self.second, options)
      record.startedNs = second * Self.second
      return pause
    }
  }

  @Test func `doubles the pause with each crash, up to the longest`() {
    var record = CrashRecord()
    #expect(pauses(&record, at: [1, 2, 3, 4, 5, 6]) == [100, 200, 400, 800, 1000, 1000])
    #expect(record.count == 6)
  }

  @Test func `stays at the longest pause, however often it crashes`() {
    var record = CrashRecord()
    #expect(pauses(&record, at: Array(1...200)).dropFirst(4).allSatisfy { $0 == 1000 })
  }

  @Test func `begins anew with a process that held for a minute`() {
    var record = CrashRecord()
    #expect(pauses(&record, at: [1, 2, 3, 63, 64]) == [100, 200, 400, 100, 200])
  }

  @Test func `asks for quarantine with the last of so many within a minute`() {
    var record = CrashRecord()
    var strict = options
    strict.quarantineCrashes = 3
    var pauses: [Int?] = []
    for second: UInt64 in [1, 31, 61, 91, 92] { pauses.append(record.note(second * Self.second, strict)) }
    // At 61 the first is a minute old; at 91 the second is; then there are three.
    #expect(pauses.map { $0 == nil } == [false, false, false, false, true])
  }

  @Test func `backs off for what clients may have caused, and never quarantines for it`() {
    var record = CrashRecord()
    var strict = options
    strict.quarantineCrashes = 3
    let pauses = (1...5).map { record.note($0 * Self.second, strict, isCrash: false) }
    #expect(pauses == [100, 200, 400, 800, 1000])
    #expect(record.note(6 * Self.second, strict) == 1000)
    #expect(record.count == 6)
  }

  @Test func `never asks for it where it is off`() {
    var record = CrashRecord()
    #expect(pauses(&record, at: Array(repeating: 5, count: 100)).allSatisfy { $0 != nil })
  }

  @Test func `forgives everything but the count`() {
    var record = CrashRecord()
    var strict = options
    strict.quarantineCrashes = 2
    #expect(record.note(Self.second, strict) == 100)
    #expect(record.note(Self.second, strict) == nil)
    record.forgive()
    #expect(record.note(2 * Self.second, strict) == 100)
    #expect(record.count == 3)
  }
}
