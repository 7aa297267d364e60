package import Inference
package import Manifests
package import Wire

/// What the host asks of a runner's process, and how it answers. Answers are as untrusted as the runner.
package enum ControlMessages {
  // MARK: The manifest, as far as the process needs it

  package static func encode(_ manifest: RunnerManifest) -> JSONValue {
    var members: [JSONValue.Member] = [
      .init("id", .string(manifest.id)), .init("version", .string(manifest.version)),
      .init("abi", [.integer(manifest.abi.major), .integer(manifest.abi.minor)]),
      .init("library", .string(manifest.libraryPath)),
      .init("formats", .array(manifest.models.formats.map { .string($0) })),
      .init("dynamicShapes", .bool(manifest.models.dynamicShapes)),
      .init("loadTimeoutMs", .integer(manifest.limits.loadTimeoutMs ?? 0)),
      .init("options", encode(manifest.options)),
    ]
    let devices = manifest.devices.map { device -> JSONValue in
      [
        "kind": .string(device.kind.name), "ordinal": .integer(device.ordinal ?? -1),
        "maxConcurrentRuns": .integer(device.maxConcurrentRuns ?? 0),
      ]
    }
    members.append(.init("devices", .array(devices)))
    return .object(members)
  }

  /// - Returns: Nil for what `encode` didn't write.
  package static func manifest(_ value: JSONValue) -> RunnerManifest? {
    guard let id = value["id"]?.string, let version = value["version"]?.string,
      let abi = value["abi"]?.array?.compactMap(\.int), abi.count == 2, let library = value["library"]?.string,
      let devices = value["devices"]?.array
    else { return nil }
    var manifest = RunnerManifest(
      id: id, version: version, abi: ABIVersion(major: abi[0], minor: abi[1]), libraryPath: library,
      devices: devices.compactMap { device in
        DeviceKind(device["kind"]?.string ?? "").map { kind in
          RunnerManifest.Device(
            kind: kind, ordinal: device["ordinal"]?.int.flatMap { $0 < 0 ? nil : $0 },
            maxConcurrentRuns: device["maxConcurrentRuns"]?.int.flatMap { $0 < 1 ? nil : $0 })
        }
      },
      models: RunnerManifest.Models(
        formats: value["formats"]?.array?.compactMap(\.string) ?? [], elementTypes: [],
        dynamicShapes: value["dynamicShapes"]?.bool ?? false))
    let timeout = value["loadTimeoutMs"]?.int ?? 0
    manifest.limits.loadTimeoutMs = timeout > 0 ? timeout : nil
    manifest.options = options(value["options"])
    return manifest
  }

  package static func encode(_ options: [String: String]) -> JSONValue {
    .object(options.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) })
  }

  package static func options(_ value: JSONValue?) -> [String: String] {
    Dictionary((value?.members ?? []).map { ($0.key, $0.value.string ?? "") }) { first, _ in first }
  }

  // MARK: What opening shows

  package static func encode(_ facts: RunnerFacts) -> JSONValue {
    [
      "version": .string(facts.version), "engine": .string(facts.engine), "score": .integer(facts.score),
      "devices": .array(
        facts.devices.map { device in
          [
            "kind": .string(device.kind.name), "name": .string(device.name), "ordinal": .integer(device.ordinal),
            "maxConcurrentRuns": .integer(device.maxConcurrentRuns),
          ]
        }),
    ]
  }

  static func facts(_ value: JSONValue) -> RunnerFacts? {
    guard let score = value["score"]?.int.flatMap({ UInt32(exactly: $0) }) else { return nil }
    let devices = (value["devices"]?.array ?? []).prefix(64).compactMap { device in
      DeviceKind(device["kind"]?.string ?? "").map { kind in
        RunnerFacts.Device(
          kind: kind, name: device["name"]?.string ?? kind.name, ordinal: max(0, device["ordinal"]?.int ?? 0),
          maxConcurrentRuns: max(1, device["maxConcurrentRuns"]?.int ?? 1))
      }
    }
    guard !devices.isEmpty else { return nil }
    return RunnerFacts(
      version: value["version"]?.string ?? "", engine: value["engine"]?.string ?? "", score: score, devices: devices)
  }

  // MARK: Signatures

  package static func encode(_ signature: ModelSignature) -> JSONValue {
    var metadata: [JSONValue] = []
    var metadataBytes = 0
    for pair in signature.metadata {
      metadataBytes += pair.key.utf8.count + pair.value.utf8.count
      // What a model tells of itself is a courtesy; a message has an end.
      guard metadataBytes <= ControlChannel.messageLimit / 4 else { break }
      metadata.append([.string(pair.key), .string(pair.value)])
    }
    return [
      "inputs": .array(signature.inputs.map { encode($0) }), "outputs": .array(signature.outputs.map { encode($0) }),
      "metadata": .array(metadata),
    ]
  }

  private static func encode(_ spec: TensorSpec) -> JSONValue {
    [
      "name": .string(spec.name), "type": .integer(spec.elementType.rawValue),
      "shape": .array(spec.shape.map { .integer($0) }),
    ]
  }

  static func signature(_ value: JSONValue, runnerID: String) throws(HostError) -> ModelSignature {
    func specs(_ side: String) throws(HostError) -> [TensorSpec] {
      var specs: [TensorSpec] = []
      for tensor in value[side]?.array ?? [] {
        guard let name = tensor["name"]?.string,
          let type = tensor["type"]?.int.flatMap({ Int32(exactly: $0) }).flatMap({ ElementType(rawValue: $0) }),
          let shape = tensor["shape"]?.array
        else { throw HostError(.runnerFailed, "runner \(runnerID): its process sent a broken signature") }
        specs.append(TensorSpec(name: name, elementType: type, shape: shape.compactMap { $0.int.map(Int64.init) }))
      }
      return specs
    }
    let metadata = (value["metadata"]?.array ?? []).prefix(ModelSignature.maxTensors).compactMap { pair in
      pair.array.flatMap { $0.count == 2 ? (key: $0[0].string ?? "", value: $0[1].string ?? "") : nil }
    }
    return try ModelSignature(
      runnerID: runnerID, inputs: specs("inputs"), outputs: specs("outputs"), metadata: Array(metadata))
  }

  // MARK: Errors

  package static func encode(_ error: HostError) -> JSONValue {
    ["error": .integer(number(of: error.code)), "message": .string(error.description)]
  }

  /// A code as a number above 0: its place in the list, which is the same in both processes.
  package static func number(of code: HostError.Code) -> UInt32 {
    UInt32((HostError.Code.allCases.firstIndex(of: code) ?? 0) + 1)
  }

  static func code(_ number: UInt32) -> HostError.Code {
    let codes = HostError.Code.allCases
    return number >= 1 && Int(number) <= codes.count ? codes[codes.startIndex + Int(number) - 1] : .runnerFailed
  }

  /// The error that an answer holds; nil for a success.
  static func error(_ value: JSONValue) -> HostError? {
    guard let number = value["error"]?.int else { return nil }
    return HostError(code(UInt32(clamping: number)), value["message"]?.string?.excerptOfReason ?? "no reason given")
  }
}

extension String {
  /// Bounds what a process can make the host keep and show.
  fileprivate var excerptOfReason: String {
    utf8.count <= 4096 ? self : String(decoding: utf8.prefix(4096), as: UTF8.self)
  }
}
