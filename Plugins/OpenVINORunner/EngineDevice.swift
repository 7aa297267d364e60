import RunnerKit

/// A device as OpenVINO names it, and what it is for the host. Pure: no engine is asked.
struct EngineDevice: Equatable, Sendable {
  /// As "CPU", "GPU.1".
  let name: String
  /// As "cpu".
  let kind: String
  let ordinal: UInt32

  /// What every build of the engine has.
  static let cpu = EngineDevice(name: "CPU", kind: "cpu", ordinal: 0)

  private init(name: String, kind: String, ordinal: UInt32) {
    self.name = name
    self.kind = kind
    self.ordinal = ordinal
  }

  /// Nil for names that choose among devices (AUTO, MULTI, HETERO, BATCH): the host chooses, and says which it chose.
  init?(_ name: String) {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard let word = parts.first, !word.isEmpty, !["AUTO", "MULTI", "HETERO", "BATCH"].contains(word) else {
      return nil
    }
    guard word.utf8.allSatisfy({ (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) }),
      word.utf8.count <= 32
    else { return nil }
    // "GPU" alone is the first of its kind; "GPU.1" is the second, "GPU.1.0" a part of it.
    guard parts.count == 1 || parts.count == 2, let ordinal = parts.count == 1 ? 0 : UInt32(parts[1]) else {
      return nil
    }
    self.init(name: name, kind: word.lowercased(), ordinal: ordinal)
  }

  /// Each device that the engine found, once, in the engine's order.
  static func list(_ names: [String]) -> [EngineDevice] {
    var list: [EngineDevice] = []
    for device in names.compactMap({ EngineDevice($0) })
    where !list.contains(where: { $0.kind == device.kind && $0.ordinal == device.ordinal }) {
      list.append(device)
    }
    return list
  }

  /// What the host may do with it.
  ///
  /// - Parameters:
  ///   - title: "Intel(R) Xeon(R)", empty where the engine has none.
  ///   - coreCount: Of the machine: a CPU has at most a stream for each.
  func device(title: String, coreCount: Int) -> Device {
    Device(
      kind: kind, ordinal: ordinal, name: title.isEmpty ? name : title,
      formats: ["onnx", "tflite", "saved_model", "openvino"],
      maxConcurrentRuns: kind == "cpu" ? UInt32(clamping: coreCount) : 4, flags: [.dynamicShapes])
  }
}
