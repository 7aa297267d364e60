import CStadionRunner
import RunnerKit
import Testing

@Suite struct `Errors of a runner in Swift` {
  @Test func `fit the record, cut in front of a character`() {
    for prefix in 0..<4 {
      let text = String(repeating: "a", count: prefix) + String(repeating: "€", count: 300)
      var record = stadion_error()
      #expect(RunnerError(.unavailable, text, nativeCode: 7, source: "engine").write(to: &record) == 8)
      #expect(record.code == 8)
      #expect(record.native_code == 7)
      let failure = Failure(record.code, record)
      #expect(text.hasPrefix(failure.message))
      #expect((461...463).contains(failure.message.utf8.count))
      #expect(failure.source == "engine")
    }
  }
}
