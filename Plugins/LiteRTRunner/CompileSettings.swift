import Glibc
import RunnerKit

/// How models are compiled; from the manifest's options, each of which a model may override.
struct CompileSettings {
  static let keys = ["threads", "kernels", "trial_seconds", "state"]

  /// Threads within one operator. One by default: the host's parallelism is in its concurrent runs.
  var threads = 1
  /// "xnnpack" or, much slower and for comparison, LiteRT's own: "builtin", "reference".
  var kernels = "xnnpack"
  /// How long the runs may take that a load makes before the model is served; 0 = none.
  var trialSeconds = 10
  /// "kept" makes runs one at a time in one compiled model, so that what it remembers is one story; "refused" refuses
  /// models that remember.
  var state = "refused"

  /// Runs of one model at once: as many as there are cores, as more would only take memory.
  static let maxConcurrentRuns = min(max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))), 64)

  init() {}

  init(_ options: Options, over base: CompileSettings) throws(RunnerError) {
    self = base
    let cores = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    threads = try options.integer("threads", in: 1...cores) ?? threads
    kernels = try options.choice("kernels", of: ["xnnpack", "builtin", "reference"]) ?? kernels
    trialSeconds = try options.integer("trial_seconds", in: 0...3600) ?? trialSeconds
    state = try options.choice("state", of: ["refused", "kept"]) ?? state
  }

  /// Options to compile with; the caller destroys them.
  func makeOptions(_ environment: Environment) throws(RunnerError) -> LiteRTObject {
    let api = environment.api
    let options = try api.make("LiteRtCreateOptions", api.createOptions)
    do throws(RunnerError) {
      try api.check(api.setAccelerators(options, environment.acceleratorBits), "LiteRtSetOptionsHardwareAccelerators")
      let kernelMode = kernels == "xnnpack" ? "" : "kernel_mode = \"\(kernels)\"\n"
      try add("num_threads = \(threads)\n\(kernelMode)", as: "xnnpack", to: options, api)
      try add("error_reporter_mode = 2\n", as: "runtime_options_string", to: options, api)  // 2 = keeps texts for us
    } catch {
      api.destroyOptions(options)
      throw error
    }
    return options
  }

  /// LiteRT reads these options as TOML, and frees the text.
  private func add(
    _ toml: String, as kind: String, to options: LiteRTObject, _ api: LiteRTAPI
  ) throws(RunnerError) {
    guard let text = strdup(toml) else { throw RunnerError(.resourceExhausted, "no memory for options") }
    let opaque = try api.make("LiteRtCreateOpaqueOptions") {
      api.createOpaqueOptions(kind, UnsafeMutableRawPointer(text), { free($0) }, $0)
    }
    try api.check(api.addOpaqueOptions(options, opaque), "LiteRtAddOpaqueOptions")
  }
}
