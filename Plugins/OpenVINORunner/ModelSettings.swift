import RunnerKit

/// How a model is compiled and run; from the manifest's options, most of which a model may override.
struct ModelSettings: Equatable, Sendable {
  static let keys = ["performance_hint", "streams", "threads", "precision", "enable_cpu_pinning", "check_shapes"]

  var performanceHint = "latency"
  /// Runs that are computed at once; each has buffers of its own.
  var streams: Int?
  /// Threads of all streams together.
  var threads: Int?
  /// Of computations in floating point. The engine's own choice may be bf16, with errors of a tenth.
  var precision = "f32"
  var pinsThreads = false
  /// Have the engine infer the shapes of outputs before the first run with inputs of new shapes.
  var checksShapes = true

  init() {}

  init(_ options: Options, over base: ModelSettings, coreCount: Int) throws(RunnerError) {
    self = base
    performanceHint = try options.choice("performance_hint", of: ["latency", "throughput"]) ?? performanceHint
    streams = try options.integer("streams", in: 1...coreCount) ?? streams
    threads = try options.integer("threads", in: 1...coreCount) ?? threads
    precision = try options.choice("precision", of: ["f32", "f16", "bf16"]) ?? precision
    pinsThreads = try options.flag("enable_cpu_pinning") ?? pinsThreads
    checksShapes = try options.flag("check_shapes") ?? checksShapes
    if let streams, let threads, threads < streams {
      throw RunnerError(
        .invalidArgument, "option threads is \(threads), fewer than the \(streams) streams; each needs one at least")
    }
  }

  /// For throughput a stream on each core (or thread), else one.
  func streamCount(coreCount: Int) -> Int { streams ?? (performanceHint == "throughput" ? threads ?? coreCount : 1) }

  func threadCount(coreCount: Int) -> Int { max(threads ?? 1, streamCount(coreCount: coreCount)) }

  /// One stream of one thread needs no thread of the engine's: the caller's computes, without a switch.
  func runsOnCaller(_ device: EngineDevice, coreCount: Int) -> Bool {
    device.kind == "cpu" && threadCount(coreCount: coreCount) == 1 && !pinsThreads
  }

  /// What the engine is told, by its own names.
  func properties(for device: EngineDevice, coreCount: Int) -> [(key: String, value: String)] {
    var all = [
      ("PERFORMANCE_HINT", performanceHint.uppercased()),
      ("INFERENCE_PRECISION_HINT", precision),
      // Or else compressed weights are computed with in 8 bits.
      ("EXECUTION_MODE_HINT", precision == "f32" ? "ACCURACY" : "PERFORMANCE"),
    ]
    if device.kind == "cpu" {
      // To the CPU plugin no stream means the caller's thread.
      let streams = runsOnCaller(device, coreCount: coreCount) ? 0 : streamCount(coreCount: coreCount)
      all += [
        ("NUM_STREAMS", String(streams)), ("INFERENCE_NUM_THREADS", String(threadCount(coreCount: coreCount))),
        ("ENABLE_CPU_PINNING", pinsThreads ? "YES" : "NO"),
      ]
    } else if let streams {
      all.append(("NUM_STREAMS", String(streams)))
    }
    return all.map { (key: $0.0, value: $0.1) }
  }
}
