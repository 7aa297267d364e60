import CLinux
import Confinement
import Glibc
import Inference
package import Manifests
import Registry
import Running
import StadionClient
import Wire

/// `stadion bench-process`: a runner opened in a process that does nothing else, and called as the benchmark says over
/// descriptor 3. Confined as a runner's process is, but without a host: the runs by themselves.
package enum BareChild {
  static let descriptor: CInt = 3

  package static func run(_ search: (String) throws -> ManifestSearch) -> Never {
    linux_end_with_parent()
    signal(SIGPIPE, SIG_IGN)
    let channel = ControlChannel(descriptor)
    var run: BareRun?
    while let messages = channel.receive() {
      for message in messages {
        do {
          channel.send(try answer(message, &run, search))
        } catch {
          channel.send(["error": .string(String(describing: error))])
        }
      }
    }
    // The benchmark has gone; nobody needs an orderly end.
    _exit(0)
  }

  private static func answer(
    _ message: JSONValue, _ run: inout BareRun?, _ search: (String) throws -> ManifestSearch
  ) throws -> JSONValue {
    if let folder = message["open"]?.string {
      let begin = linux_now_ns()
      let (loaded, remarks) = try load(message["model"]?.string ?? "", in: folder, search)
      run = BareRun(loaded)
      return ["loadNs": .integer(linux_now_ns() - begin), "remarks": .array(remarks.map { .string($0) })]
    }
    guard let run else { throw HostError(.internalError, "the benchmark gave no model to load") }
    if message["sample"] != nil { return ["runNs": .integer(try run.add(BareMessages.tensors(message)))] }
    guard let numbers = message["run"]?.array?.compactMap({ $0.int.flatMap { UInt64(exactly: $0) } }),
      numbers.count == 6
    else { throw HostError(.internalError, "a benchmark's own message makes no sense") }
    let window = run.closed(
      Int(numbers[0])..<Int(numbers[1]), first: Int(numbers[2]), settleNs: numbers[3], durationNs: numbers[4],
      atLeast: numbers[5])
    return BareMessages.encode(window)
  }

  /// Where the benchmark lays samples for this process, in the folder of the host.
  static let sampleFolder = "samples"

  /// The one model of the folder that a host of the benchmark's own serves, by the one runner there.
  ///
  /// - Returns: With what this kernel couldn't keep the runner from.
  private static func load(
    _ name: String, in folder: String, _ search: (String) throws -> ManifestSearch
  ) throws -> (LocalModel, remarks: [String]) {
    let found = try search("\(folder)/x.runner.json").run()
    guard let manifest = found.manifests.first else {
      throw HostError(.notFound, "no runner in \(folder): \(found.problems.first.map { "\($0)" } ?? "no manifest")")
    }
    var problems: [String] = []
    guard let entry = ModelFolder.model(name, root: "\(folder)/models", problems: &problems),
      let file = entry.versions.last?.files.first(where: { $0.problem == nil })
    else { throw HostError(.notFound, "no model \(name) in \(folder): \(problems.joined(separator: "; "))") }
    let access = RunnerAccess.confinement(for: manifest, modelRoots: ["\(folder)/models", "\(folder)/\(sampleFolder)"])
    let remarks = try access.apply()
    let runner = try LocalRunner(manifest)
    let kinds = runner.plugin.devices.map(\.kind)
    let device = entry.settings.devices.compactMap { kinds.firstIndex(of: $0) }.first ?? 0
    let request = Runner.LoadRequest(
      path: file.path, format: file.format, device: kinds[device],
      options: entry.settings.options(forRunner: manifest.id))
    return (try runner.loadHere(request, device: device), remarks)
  }
}
