import RunnerKit
import Synchronization

/// What LiteRT computes on.
enum Accelerator: String, CaseIterable {
  case cpu, gpu, npu

  /// LiteRT's bit for it.
  var bit: Int32 {
    switch self {
    case .cpu: 1
    case .gpu: 2
    case .npu: 4
    }
  }
}

/// LiteRT, set up for one runner: destroyed with the last model that holds it.
final class Environment: @unchecked Sendable {  // constant after init
  let api: LiteRTAPI
  let handle: LiteRTObject
  /// What the runner asked for, and the CPU for the rest of a model.
  let acceleratorBits: Int32
  /// LiteRT doesn't say that models can be made and destroyed by two threads at once.
  let making = Mutex(())

  /// - Throws: `.failedPrecondition` when this machine lacks what is asked for.
  init(_ api: LiteRTAPI, _ accelerator: Accelerator) throws(RunnerError) {
    let bits = Accelerator.cpu.bit | accelerator.bit
    let wholeNumber: Int64 = 2
    let register: Int64 = 24  // without it LiteRT looks for libraries of GPUs at every start
    let logSeverity: Int64 = 25
    let silent: Int64 = 4  // its texts reach us through the compiled model
    let options = [register, wholeNumber, Int64(bits), logSeverity, wholeNumber, silent]
    handle = try api.make("LiteRtCreateEnvironment") { api.createEnvironment(2, options, $0) }
    self.api = api
    acceleratorBits = bits
    let found = Self.kinds(api, handle)
    guard found.contains(accelerator) else {
      let names = found.map(\.rawValue).joined(separator: ", ")
      throw RunnerError(
        .failedPrecondition,
        "option accelerator is \"\(accelerator.rawValue)\", but LiteRT finds only \(names.isEmpty ? "none" : names) "
          + "on this machine; put its library for the \(accelerator.rawValue) beside libLiteRt.so, or use \"cpu\"")
    }
  }

  deinit { api.destroyEnvironment(handle) }

  private static func kinds(_ api: LiteRTAPI, _ handle: LiteRTObject) -> [Accelerator] {
    var count = 0
    guard api.acceleratorCount(handle, &count) == 0 else { return [] }
    var bits: Int32 = 0
    for index in 0..<count {
      var accelerator: LiteRTObject?
      var kinds: Int32 = 0
      guard api.accelerator(handle, index, &accelerator) == 0, let accelerator,
        api.acceleratorKinds(accelerator, &kinds) == 0
      else { continue }
      bits |= kinds
    }
    return Accelerator.allCases.filter { $0.bit & bits != 0 }
  }
}
