import Foundation
import StadionClient
import Wire

extension Setup {
  static let promtool = root + "/.stadion/promtool"
  static let hasPromtool = isThere(promtool) || ProcessInfo.processInfo.environment["STADION_REQUIRE_ENGINES"] == "1"
  static let needsPromtool = "requires: promtool (make test-setup)"
}

/// One model that answers with its input.
func hostWithEcho(_ arguments: String..., environment: [String: String] = [:]) throws -> Host {
  try Host(arguments, manifests: "\(Setup.manifests)/echo.runner.json", environment: environment) {
    try $0.addEcho("echo", "x:f32[-1]", options: ["outputs": "y:f32[-1]"])
    try $0.addEcho("bad", "x:f32[-1]", options: ["outputs": "y:f32[-1]", "fail": "no luck"])
  }
}

extension Host {
  static let numbers = #"{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,2]}]}"#

  @discardableResult
  func sendNumbers(_ model: String = "echo", headers: [(String, String)] = []) throws -> HTTPResponse {
    try send("POST", "/v2/models/\(model)/infer", Self.numbers, headers: headers)
  }

  /// The value of the sample that is written so; nil if there is none.
  func metric(_ sample: String) throws -> Double? {
    let text = String(decoding: try send("GET", "/metrics").body, as: UTF8.self)
    return text.split(separator: "\n").first { $0.hasPrefix(sample + " ") }
      .flatMap { Double($0.dropFirst(sample.count + 1)) }
  }
}
