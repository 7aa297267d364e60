import Foundation

extension Setup {
  private static let torchRunner = root + "/.stadion/engines/torch/libTorchRunner.so"

  /// One of Tests/Models/make_torch.cpp.
  static func torch(_ name: String) -> String { "\(root)/.stadion/test-models/torch/\(name).pt" }

  static let hasTorch =
    ProcessInfo.processInfo.environment["STADION_REQUIRE_ENGINES"] == "1"
    || isThere(torchRunner) && isThere(torch("add"))
  static let needsTorch = "requires: torch (make engines/torch, then make test-setup)"
}

extension TemporaryFolder {
  /// - Parameter model: Of Tests/Models/make_torch.cpp.
  func addTorch(_ name: String, _ model: String) throws {
    try copy(Setup.torch(model), to: "models/\(name)/1/model.pt")
  }
}
