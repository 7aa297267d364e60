import StadionClient
import Storage
import Wire

/// What verbs that list much have in common: filters, dates, and pages.
enum PageOptions {
  static let all = [
    CommandSpec.Option("--limit", value: "N", help: "At most so many; else 100."),
    CommandSpec.Option("--cursor", value: "CURSOR", help: "What an earlier list ended with."),
  ]

  /// - Parameter filters: Options that the host calls the same.
  static func query(_ arguments: Arguments, _ filters: [String] = []) throws(UsageError) -> String {
    let limit = try arguments.integer("--limit", in: 1...1000) ?? 100
    let given = (filters + ["cursor"]).compactMap { key in
      arguments.value("--\(key)").map { "\(key)=\(StadionClient.escaped($0))" }
    }
    return (given + ["limit=\(limit)"]).joined(separator: "&")
  }

  static func tellMore(_ answer: JSONValue) {
    guard !answer.text("next").isEmpty else { return }
    print("\nThere are more: --cursor \(Table.printable(answer.text("next")))")
  }

  /// A date, or a date and time, in UTC, as milliseconds since 1970; nil where the option isn't given.
  static func milliseconds(_ arguments: Arguments, _ option: String) throws(UsageError) -> Int? {
    guard let text = arguments.value(option) else { return nil }
    guard let time = CivilTime(iso8601: text.contains("T") ? text : "\(text)T00:00:00Z") else {
      throw UsageError("\(option) wants a date, as 2027-01-31 or 2027-01-31T18:00:00Z, not \"\(text)\"")
    }
    return time.seconds * 1000
  }
}
