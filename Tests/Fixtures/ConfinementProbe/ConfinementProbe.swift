import Confinement
import Glibc
import Inference

/// Confines itself, opens a runner's library and runs models: what a runner's process does, and no more.
///
/// Words in any order: `library=PATH`, `read=PATH`, `write=PATH`, `device=PATH`, `memory=BYTES`, `files=COUNT`, `free`
/// (no confinement), `thread` (starts one first), `option=KEY=VALUE` (of the runner); then in their order `model=PATH`
/// (inputs are zeros) and `try=ATTEMPT:ARGUMENT` (a model of the escaping runner). Prints a line for each of these, and
/// what `apply` said.
@main struct ConfinementProbe {
  static func main() {
    let words = CommandLine.arguments.dropFirst().map { word in
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return (key: String(parts[0]), value: parts.count > 1 ? String(parts[1]) : "")
    }
    func values(_ key: String) -> [String] { words.filter { $0.key == key }.map(\.value) }
    if words.contains(where: { $0.key == "thread" }) { startThread() }
    let library = values("library").first ?? ""
    if !words.contains(where: { $0.key == "free" }) {
      confine(
        Confinement(
          readablePaths: [library] + values("read"), writablePaths: values("write"), devicePaths: values("device"),
          memoryBytes: values("memory").first.flatMap { Int($0) },
          openFiles: values("files").first.flatMap { Int($0) } ?? 256))
    }
    let plugin = ProbedPlugin(library, options: values("option"))
    for (key, value) in words {
      fflush(nil)  // An attempt may end the process.
      if key == "model" { print("model", plugin.run(value, options: [])) }
      guard key == "try" else { continue }
      let parts = value.split(separator: ":", maxSplits: 1)
      print(
        "try \(value)", plugin.run("/", options: ["attempt=\(parts[0])", "argument=\(parts.dropFirst().first ?? "")"]))
    }
  }

  /// One that never ends.
  private static func startThread() {
    var thread = pthread_t()
    pthread_create(&thread, nil, { _ in while true { pause() } }, nil)
  }

  private static func confine(_ confinement: Confinement) {
    var before = timespec()
    var after = timespec()
    clock_gettime(CLOCK_MONOTONIC, &before)
    do throws(HostError) {
      for remark in try confinement.apply() { print("remark \(remark)") }
    } catch {
      print("refused \(error)")
      exit(1)
    }
    clock_gettime(CLOCK_MONOTONIC, &after)
    print("took \((after.tv_sec - before.tv_sec) * 1_000_000 + (after.tv_nsec - before.tv_nsec) / 1000) us")
  }
}
