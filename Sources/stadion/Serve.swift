internal import StadionClient

/// `stadion serve`: the host, put together.
enum Serve {
  static let spec = CommandSpec("stadion serve", "Start the host.")

  static func run(_ words: [String]) async throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    throw UsageError("this build has no host")
  }
}
