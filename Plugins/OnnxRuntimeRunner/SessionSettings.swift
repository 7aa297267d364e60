import Glibc
import RunnerKit

/// How a session runs; from the manifest's options, each of which a model may override.
struct SessionSettings {
  static let keys = ["intra_op_threads", "inter_op_threads", "graph_optimization", "spinning", "arena"]
  private static let levels: [String: Int32] = ["none": 0, "basic": 1, "extended": 2, "all": 99]

  /// Threads within one operator. One by default: the host's parallelism is in its concurrent runs.
  var intraOpThreads = 1
  /// Operators at once; more than 1 turns parallel execution on.
  var interOpThreads = 1
  var graphOptimization = "all"
  /// Threads wait by spinning: a little faster, and a core is busy between runs.
  var spinning = false
  /// Keep memory between runs.
  var arena = true

  init() {}

  init(_ options: Options, over base: SessionSettings) throws(RunnerError) {
    self = base
    // The engine really starts as many threads as it is told to, 500 for instance.
    let cores = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    intraOpThreads = try options.integer("intra_op_threads", in: 1...cores) ?? intraOpThreads
    interOpThreads = try options.integer("inter_op_threads", in: 1...cores) ?? interOpThreads
    let levels = ["none", "basic", "extended", "all"]
    graphOptimization = try options.choice("graph_optimization", of: levels) ?? graphOptimization
    spinning = try options.flag("spinning") ?? spinning
    arena = try options.flag("arena") ?? arena
  }

  /// Session options to create a session with; the caller releases them.
  func makeSessionOptions(_ api: OrtAPI) throws(RunnerError) -> OrtObject {
    let options = try api.make(api.createSessionOptions)
    do throws(RunnerError) {
      try api.check(api.setIntraOpThreads(options, Int32(intraOpThreads)))
      try api.check(api.setInterOpThreads(options, Int32(interOpThreads)))
      try api.check(api.setExecutionMode(options, interOpThreads > 1 ? 1 : 0))
      try api.check(api.setGraphOptimization(options, Self.levels[graphOptimization] ?? 99))
      try api.check(api.addConfigEntry(options, "session.intra_op.allow_spinning", spinning ? "1" : "0"))
      try api.check(api.addConfigEntry(options, "session.inter_op.allow_spinning", spinning ? "1" : "0"))
      if !arena { try api.check(api.disableArena(options)) }
    } catch {
      api.releaseSessionOptions(options)
      throw error
    }
    return options
  }
}
