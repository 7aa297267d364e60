// swift-tools-version: 6.2
import PackageDescription

let swiftSettings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let package = Package(
  name: "@NAME@",
  products: [.library(name: "@NAME@", type: .dynamic, targets: ["Plugin"])],
  targets: [
    // The contract, and what turns it into Swift: copies, as the host was built with.
    .target(name: "CStadionRunner"),
    .target(name: "RunnerKit", dependencies: ["CStadionRunner"], swiftSettings: swiftSettings),
    .target(
      name: "Plugin", dependencies: ["RunnerKit", "CStadionRunner"], swiftSettings: swiftSettings,
      linkerSettings: [
        // One symbol is exported.
        .unsafeFlags(["-Xlinker", "--version-script=\(Context.packageDirectory)/exports.map"])
      ]),
  ],
  swiftLanguageModes: [.v6]
)
