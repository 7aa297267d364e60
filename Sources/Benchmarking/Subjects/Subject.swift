import CLinux
import Glibc
package import Inference
package import StadionClient
import Wire

/// One of the things compared: a runner in a host of its own, or a server that was there already.
package final class Subject {
  package let name: String
  package let address: HostAddress
  package let model: ModelID
  /// The host and its runner, while they are ours to watch.
  package let processes: [Int32]
  /// From the order to load the model to its answer: the runner's start, its engine and the model.
  package let loadNs: UInt64?
  /// What the engine says of itself.
  package let engine: String
  /// The same in a new host, for the start of that number; nil for a server that was there already.
  package var again: ((Int) throws(HostError) -> Subject)?
  /// Keeps the host alive.
  private let host: HostProcess?
  /// API key that is sent; nil for none.
  package let key: String?

  /// Of the first request after loading.
  package private(set) var firstRunNs: UInt64?
  /// The same runner without a host; nil unless somebody wants to know.
  private var bare: BareRunner?
  /// How the address is asked.
  package var encoding = TensorEncoding.binary
  /// Besides the address itself; none unless `prepare` was told of them.
  private var generators: [Way: LoadGenerator] = [:]
  /// Which of the requests belong to each workload.
  private var ranges: [Range<Int>] = []

  /// A server that is there already.
  package init(name: String, address: HostAddress, model: ModelID, key: String? = nil) {
    self.key = key
    self.name = name
    self.address = address
    self.model = model
    processes = []
    loadNs = nil
    engine = ""
    host = nil
  }

  /// A runner in `host`, whose model folder is empty so far; `place` puts the model there.
  package init(
    name: String, host: HostProcess, model: ModelID, place: () throws(HostError) -> Void
  ) throws(HostError) {
    self.name = name
    self.host = host
    key = nil
    self.model = model
    address = host.address
    try place()
    let client = StadionClient(host.address, timeout: .seconds(600))
    let begin = linux_now_ns()
    try client.load(model.name)
    loadNs = linux_now_ns() - begin
    let runner = try client.runners()["runners"]?.array?.first
    // Some engines say their name only when it is too late; the manifest's title tells enough.
    engine = [runner?["engine"]?.string, runner?["title"]?.string].compactMap { $0 }.first { !$0.isEmpty } ?? ""
    processes = [host.process] + ((runner?["processID"]?.int).map { [pid_t($0)] } ?? [])
  }

  /// Opens the runner without a host, too, from the folder of its host.
  func openBare(executable: String, folder: String) throws(HostError) {
    bare = try BareRunner(executable: executable, folder: folder, model: model.name)
  }

  /// What this kernel couldn't keep the runner without a host from, one sentence each.
  package var remarks: [String] { bare?.remarks ?? [] }

  package func metadata() throws(HostError) -> ModelMetadata {
    try StadionClient(address, key: key).metadata(model)
  }

  /// Makes the requests and asks once: from then on it can be loaded.
  package func prepare(_ workloads: [Workload], ways: [Way], timeout: Duration) throws(HostError) {
    let client = StadionClient(address, timeout: timeout, key: key)
    // The connection exists before the clock runs.
    guard try client.isReady() else { throw HostError(.overloaded, "\(name) isn't ready; see its log") }
    let specs = try client.metadata(model).inputs
    var inputs: [[DenseTensor]] = []
    ranges = []
    for workload in workloads {
      ranges.append(inputs.count..<inputs.count + workload.samples.count)
      for sample in workload.samples { inputs.append(try TensorNames.inputs(sample.tensors, for: specs)) }
    }
    let begin = linux_now_ns()
    _ = try infer(inputs[0], client)
    if host != nil { firstRunNs = linux_now_ns() - begin }
    generators[.host] = try generator(inputs, address, encoding, timeout)
    if let bare { for tensors in inputs { try bare.add(tensors) } }
    for way in ways where way == .tcp || way == .json {
      guard let tcp = host?.tcpAddress else {
        throw HostError(.internalError, "\(name): its host says no TCP address: \(host?.lastWords ?? "there is none")")
      }
      generators[way] = try generator(inputs, tcp, way == .json ? .json : .binary, timeout)
    }
  }

  private func generator(
    _ inputs: [[DenseTensor]], _ address: HostAddress, _ encoding: TensorEncoding, _ timeout: Duration
  ) throws(HostError) -> LoadGenerator {
    var requests: [PreparedRequest] = []
    for tensors in inputs {
      requests.append(try PreparedRequest(model, inputs: tensors, to: address, key: key, encoding: encoding))
    }
    return LoadGenerator(requests, timeout: timeout)
  }

  private func infer(_ inputs: [DenseTensor], _ client: StadionClient) throws(HostError) -> [DenseTensor] {
    switch encoding {
    case .binary: try client.infer(model, inputs: inputs).outputs
    case .json: try client.inferAsJSON(model, inputs: inputs).outputs
    }
  }

  /// The outputs of each sample.
  package func answers(_ samples: [Sample], timeout: Duration) throws(HostError) -> [[DenseTensor]] {
    let client = StadionClient(address, timeout: timeout, key: key)
    let specs = try client.metadata(model).inputs
    var answers: [[DenseTensor]] = []
    for sample in samples {
      do throws(HostError) {
        answers.append(try infer(try TensorNames.inputs(sample.tensors, for: specs), client))
      } catch {
        guard !sample.name.isEmpty else { throw error }
        throw HostError(error.code, "\(sample.name): \(error.description)")
      }
    }
    return answers
  }

  /// Loads the subject with the requests of a workload, each connection one after the other.
  ///
  /// - Parameter first: Which of them is sent first, counted round.
  func closed(
    _ count: Int, _ way: Way, workload: Int, first: Int, settle: Duration, duration: Duration, atLeast: Int
  ) throws(HostError) -> Window {
    if way == .inProcess, let bare {
      return try bare.closed(
        ranges[workload], first: first, settle: settle, duration: duration, atLeast: atLeast)
    }
    return try generator(way, workload: workload, first: first)
      .closed(count, settle: settle, duration: duration, atLeast: atLeast)
  }

  func generator(_ way: Way, workload: Int, first: Int) -> LoadGenerator {
    guard let generator = generators[way] else { preconditionFailure("prepare comes first") }
    generator.use(ranges[workload], from: first)
    return generator
  }

  /// What the server counted of the model's runs until now; nil for one without the protocol's statistics extension.
  package func runStatistics() -> RunStatistics? {
    guard let statistics = try? StadionClient(address, timeout: .seconds(5), key: key).modelStatistics(model)
    else { return nil }
    return RunStatistics(statistics)
  }

  /// Of what computes in this way: the host with its runner, or the runner alone.
  func cpuNanoseconds(_ way: Way) -> UInt64 {
    if way == .inProcess, let bare { return ProcessUse.cpuNanoseconds(bare.process) }
    return processes.reduce(0) { $0 + ProcessUse.cpuNanoseconds($1) }
  }

  package var peakBytes: Int? {
    processes.isEmpty ? nil : processes.reduce(0) { $0 + ProcessUse.peakBytes($1) }
  }
}
