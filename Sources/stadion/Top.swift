import Glibc
import StadionClient

/// `stadion top`: what a host does now.
enum Top {
  static let spec = CommandSpec(
    "stadion top", "Show models, runners, queues and latencies of the last seconds, live.",
    options: ClientOptions.address + [
      .init("--interval-ms", value: "N", help: "Time between two looks (default: 1000)."),
      .init("--count", value: "N", help: "Looks before it ends (default: until q or Ctrl-C)."),
    ],
    details: """
      Rates and percentiles are of the last five seconds. In a pipe it prints a line for each model at each look.
      """)

  /// Rates and percentiles are of so long.
  private static let windowNs = 5_000_000_000

  @Sendable static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    let interval = try arguments.integer("--interval-ms", in: 50...3_600_000) ?? 1000
    var looks = try arguments.integer("--count", in: 1...1_000_000_000) ?? .max
    let client = try ClientOptions.client(arguments)
    var samples = [try client.statistics()]
    guard let screen = Screen() else {
      while looks > 0 {
        usleep(UInt32(clamping: interval * 1000))
        for line in try look(client, &samples).plainLines { print(line) }
        // Each look at once: whoever reads may wait for it.
        guard fflush(nil) == 0 else { return }
        looks -= 1
      }
      return
    }
    defer { screen.close() }
    while looks > 0 {
      let view = try look(client, &samples)
      var event = Screen.Event.resized
      while event == .resized {
        let size = screen.size
        screen.show(view.lines(width: size.width, height: size.height))
        event = screen.wait(milliseconds: interval)
      }
      if event == .quit { return }
      looks -= 1
    }
  }

  private static func look(_ client: StadionClient, _ samples: inout [HostSample]) throws -> TopView {
    let now = try client.statistics()
    while samples.count > 1 && now.timeNs - samples[1].timeNs >= windowNs { samples.removeFirst() }
    let view = TopView(HostInterval(from: samples[0], to: now))
    samples.append(now)
    return view
  }
}
