import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// The HTML report as a browser shows it, on a telephone and a desk, light and dark.
@Suite(.blocking) struct `A report in a browser` {
  private let folder = TemporaryFolder()

  /// A report with every part that there is: verdicts, ways, batches, an open loop, a mismatch and long names.
  private func report() throws -> String {
    try folder.addEcho("vector", "X:f32[-1,16]")
    let page = "\(folder.path)/report.html"
    let result = try Command.run(
      [
        Setup.stadion, "bench", "vector", "--models", "\(folder.path)/models", "--manifests", Setup.manifests,
        "--runner", "echo", "--runner", "echo,delay_ns=3000000,note=a_rather_long_option_that_no_column_has_room_for",
        "--ways", "all", "--batch", "4", "--rate", "200", "--find-rate", "p50=50ms", "--duration", "0.3", "--rounds",
        "12",
        "--warm-up", "0.1", "--starts", "1", "--concurrency", "1,2", "--report", page,
      ], environment: ["TMPDIR": folder.path], limit: .seconds(180))
    #expect(result.status == 0, "\(result.errors)")
    return page
  }

  @Test(.enabled(if: Setup.hasChromium, Comment(rawValue: Setup.needsChromium)))
  func `asks for nothing, fits, and can be read`() throws {
    let page = try report()
    let result = try Command.run(
      ["python3", Setup.fixture("browse.py"), page], environment: ["HOME": folder.path], limit: .seconds(90))
    #expect(result.status == 0, "\(result.errors)")
    let views = try #require(try JSONValue(parsing: result.output).array)
    #expect(views.count == 4)
    for view in views {
      let place = "\(view["width"]?.int ?? 0), \(view["scheme"]?.string ?? "")"
      func list(_ member: String) -> [String]? { view[member]?.array?.compactMap(\.string) }
      // The page itself is all that is ever asked for.
      #expect(list("requests")?.count == 1 && list("requests")?.first?.hasPrefix("file:///") == true, "\(place)")
      #expect(list("messages") == [], "\(place)")
      #expect(view["overflow"]?.int == 0, "\(place)")
      #expect((view["drawings"]?.int ?? 0) >= 10 && view["empty"]?.int == 0, "\(place)")
      #expect(
        list("faint") == [] && list("cut") == [] && list("crossing") == [],
        "\(place): \(["faint", "cut", "crossing"].map { list($0) ?? [] })")
      #expect((view["smallest"]?.double ?? 0) >= 10, "\(place): \(view["smallest"]?.text ?? "")")
    }
    #expect(Set(views.compactMap { $0["back"]?.string }).count == 2, "light and dark look the same")
  }
}
