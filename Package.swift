// swift-tools-version: 6.2
import PackageDescription

let swiftSettings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  // An async function stays where its caller is: each switch costs a lock in the runtime.
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .treatAllWarnings(as: .error),
  // Debug builds and tests check exclusive access; the checks cost a request half a microsecond.
  .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]
let cSettings: [CSetting] = [.unsafeFlags(["-std=c11", "-Wall", "-Wextra"]), .define("_GNU_SOURCE")]

/// A Swift target of the host; the folder has the target's name.
func house(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

/// A runner: one dynamic library that exports one symbol.
func runner(
  _ name: String, _ dependencies: [Target.Dependency], path: String? = nil, exclude: [String] = []
) -> Target {
  .target(
    name: name, dependencies: dependencies, path: path ?? "Plugins/\(name)",
    exclude: ["README.md"] + exclude, publicHeadersPath: ".", cSettings: cSettings, swiftSettings: swiftSettings,
    linkerSettings: [
      .unsafeFlags(["-Xlinker", "--version-script=\(Context.packageDirectory)/Plugins/exports.map"])
    ])
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
  .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: swiftSettings)
}

let package = Package(
  name: "stadion",
  products: [
    .executable(name: "stadion", targets: ["stadion"]),
    .library(name: "EchoRunner", type: .dynamic, targets: ["EchoRunner"]),
    .library(name: "OnnxRuntimeRunner", type: .dynamic, targets: ["OnnxRuntimeRunner"]),
    .library(name: "LiteRTRunner", type: .dynamic, targets: ["LiteRTRunner"]),
    .library(name: "OpenVINORunner", type: .dynamic, targets: ["OpenVINORunner"]),
    .library(name: "TensorFlowRunner", type: .dynamic, targets: ["TensorFlowRunner"]),
    // For tests only.
    .library(name: "FaultyRunner", type: .dynamic, targets: ["FaultyRunner"]),
    .library(name: "EchoRunner-0.1", type: .dynamic, targets: ["EchoRunner-0.1"]),
    .library(name: "EscapingRunner", type: .dynamic, targets: ["EscapingRunner"]),
  ],
  targets: [
    // The contract and what Swift can't import from libc.
    .target(name: "CStadionRunner", cSettings: cSettings),
    .target(name: "CLinux", cSettings: cSettings),
    .target(name: "CConfinement", cSettings: cSettings),
    .target(name: "CImages", cSettings: cSettings),
    .target(name: "CRunning", cSettings: cSettings),
    .target(name: "CCurl", cSettings: cSettings),
    .target(name: "CNumbers", cxxSettings: [.unsafeFlags(["-std=c++17", "-O2", "-Wall", "-Wextra"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),

    // The house, from the values everybody shares to the command line.
    house("Wire", ["CNumbers"]),
    house("Inference", ["CStadionRunner", "CLinux", "Wire"]),
    house("Configuration", ["Wire"]),
    house("Telemetry", ["Inference", "Wire", "CLinux"]),
    house("Threads", ["CLinux", "Telemetry"]),
    house("Store", ["CSQLite", "Inference", "Telemetry", "Threads"]),
    house("Admission", ["CLinux", "Inference", "Storage", "Store", "Telemetry", "Wire"]),
    house("Manifests", ["Inference", "Wire"]),
    house("Confinement", ["CConfinement", "CLinux", "Inference", "Wire"]),
    house(
      "Running",
      [
        "CStadionRunner", "CLinux", "CRunning", "Confinement", "Manifests", "Inference", "Telemetry", "Threads", "Wire",
      ]),
    house(
      "RunnerProcess",
      ["Running", "Confinement", "Manifests", "Inference", "Telemetry", "Wire", "CLinux", "CRunning"]),
    house("Storage", ["CCurl", "CLinux", "Inference", "Wire"]),
    house("Tracing", ["CCurl", "CLinux", "Inference", "Telemetry", "Wire"]),
    house("Registry", ["Inference", "Wire", "CLinux", "Telemetry"]),
    house("Routing", ["CLinux", "Running", "Registry", "Manifests", "Inference", "Telemetry", "Threads", "Wire"]),
    house(
      "Catalog",
      [
        "Admission", "Storage", "Store", "Threads", "Registry", "Routing", "Running", "CLinux", "Inference",
        "Telemetry",
        "Wire",
        // What `stadion bench` does, gates do: inputs from a seed, and parity.
        "Benchmarking", "StadionClient",
      ]),
    house("Serving", ["CLinux", "CZlib", "Inference", "Wire", "Telemetry", "Threads", "Tracing"]),
    house(
      "Endpoints",
      [
        "Admission", "Serving", "Catalog", "Storage", "Registry", "Routing", "Running", "Manifests", "Inference",
        "Wire",
        "CLinux", "Telemetry", "Tracing", "Threads", "Store",
      ]),
    house("StadionClient", ["Inference", "Wire", "CLinux", "CImages"]),
    house(
      "Benchmarking",
      ["StadionClient", "Running", "Confinement", "Manifests", "Registry", "Inference", "Wire", "CLinux"]),
    house("Conformance", ["CStadionRunner", "CLinux", "Inference", "Wire"]),
    .executableTarget(
      name: "stadion",
      dependencies: [
        "Serving", "Endpoints", "Registry", "Routing", "Running", "RunnerProcess", "Manifests", "StadionClient",
        "Telemetry", "Tracing", "Configuration", "Inference", "Wire", "CLinux", "Conformance", "Benchmarking",
        "Admission", "Catalog", "Store", "Storage",
      ],
      swiftSettings: swiftSettings),

    // For people who write runners, and the runners themselves.
    house("RunnerKit", ["CStadionRunner"]),
    runner("EchoRunner", ["CStadionRunner"]),
    runner("OnnxRuntimeRunner", ["RunnerKit", "CStadionRunner"]),
    runner("LiteRTRunner", ["RunnerKit", "CStadionRunner", "CLinux"]),
    // Structs that C functions of these engines take.
    .target(
      name: "COpenVINO", path: "Plugins/OpenVINORunner/COpenVINO", publicHeadersPath: ".", cSettings: cSettings),
    runner("OpenVINORunner", ["RunnerKit", "CStadionRunner", "COpenVINO"], exclude: ["COpenVINO"]),
    .target(
      name: "CTensorFlow", path: "Plugins/TensorFlowRunner/CTensorFlow", publicHeadersPath: ".", cSettings: cSettings),
    runner("TensorFlowRunner", ["RunnerKit", "CStadionRunner", "CLinux", "CTensorFlow"], exclude: ["CTensorFlow"]),

    tests("WireTests", ["Wire", "CNumbers"]),
    tests("ConfigurationTests", ["Configuration", "Wire"]),
    tests("ManifestsTests", ["Manifests", "Inference", "Wire"]),
    runner("FaultyRunner", ["CStadionRunner"], path: "Tests/Fixtures/FaultyRunner"),
    // With the header it was made with: later hosts open it.
    runner("EchoRunner-0.1", [], path: "Tests/Fixtures/EchoRunner-0.1"),

    runner("EscapingRunner", ["CStadionRunner"], path: "Tests/Fixtures/EscapingRunner"),
    .executableTarget(
      name: "ConfinementProbe", dependencies: ["Confinement", "CStadionRunner", "Inference"],
      path: "Tests/Fixtures/ConfinementProbe", swiftSettings: swiftSettings),
    tests("ConfinementTests", ["Confinement", "CLinux", "Inference"]),

    tests(
      "RunningTests",
      [
        "Running", "Serving", "Manifests", "Confinement", "Inference", "Telemetry", "Threads", "Wire", "CLinux",
        "CStadionRunner",
      ]),
    tests(
      "RoutingTests",
      [
        "Admission", "Routing", "Running", "Endpoints", "Serving", "Manifests", "Registry", "Inference", "Telemetry",
        "CLinux", "CStadionRunner", "Wire",
      ]),
    tests("AdmissionTests", ["Admission", "Inference", "Store", "Wire"]),
    tests("RegistryTests", ["Registry", "Inference", "Wire"]),
    .executableTarget(
      name: "StorageProbe", dependencies: ["Storage", "Inference", "Wire"], path: "Tests/Fixtures/StorageProbe",
      swiftSettings: swiftSettings),
    tests("StorageTests", ["Storage", "Inference", "Wire", "BlockingTests"], exclude: ["Servers"]),
    .executableTarget(
      name: "StoreProbe", dependencies: ["Store", "Inference"], path: "Tests/Fixtures/StoreProbe",
      swiftSettings: swiftSettings),
    tests("StoreTests", ["Store", "Inference", "BlockingTests"]),
    tests("RunnerTests", ["RunnerKit", "CStadionRunner", "Inference"], exclude: ["Golden"]),
    .target(
      name: "HTTPTestClient", dependencies: ["Serving"], path: "Tests/HTTPTestClient", swiftSettings: swiftSettings),
    tests("ServingTests", ["BlockingTests", "Serving", "Inference", "Wire", "CLinux", "HTTPTestClient"]),
    tests(
      "EndpointsTests",
      ["Endpoints", "Serving", "Routing", "Running", "Manifests", "Inference", "Wire", "Telemetry", "HTTPTestClient"]),
    .target(
      name: "BlockingTests", dependencies: ["Threads"], path: "Tests/BlockingTests", swiftSettings: swiftSettings),
    tests("HostTests", ["Wire", "Inference", "StadionClient", "Storage", "BlockingTests"], exclude: ["Fixtures"]),
    tests("ConformanceTests", ["Wire", "Conformance", "BlockingTests"], exclude: ["Fixtures"]),
    tests("BenchmarkingTests", ["Benchmarking", "StadionClient", "Wire", "Inference", "CLinux"]),
    tests("CatalogTests", ["Admission", "Catalog", "Store", "Routing", "Manifests", "Inference", "Wire"]),
    tests("StadionClientTests", ["StadionClient", "Wire", "Inference"]),
  ],
  swiftLanguageModes: [.v6]
)
