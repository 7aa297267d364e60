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
  package private(set) var outputs: [DenseTensor] = []
  package private(set) var generator: LoadGenerator?

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

  package func metadata() throws(HostError) -> ModelMetadata {
    try StadionClient(address, key: key).metadata(model)
  }

  /// Asks once, keeps the outputs, and prepares the load.
  package func prepare(_ inputs: [DenseTensor], timeout: Duration) throws(HostError) {
    let client = StadionClient(address, timeout: timeout, key: key)
    // The connection exists before the clock runs.
    guard try client.isReady() else { throw HostError(.overloaded, "\(name) isn't ready; see its log") }
    let inputs = try TensorNames.inputs(inputs, for: try client.metadata(model).inputs)
    let begin = linux_now_ns()
    outputs = try client.infer(model, inputs: inputs).outputs
    if host != nil { firstRunNs = linux_now_ns() - begin }
    generator = LoadGenerator(PreparedRequest(model, inputs: inputs, to: address, key: key), timeout: timeout)
  }

  /// What the server counted of the model's runs until now; nil for one without the protocol's statistics extension.
  package func runStatistics() -> RunStatistics? {
    guard let statistics = try? StadionClient(address, timeout: .seconds(5), key: key).modelStatistics(model)
    else { return nil }
    return RunStatistics(statistics)
  }

  package var cpuNanoseconds: UInt64 { processes.reduce(0) { $0 + ProcessUse.cpuNanoseconds($1) } }
  package var peakBytes: Int? {
    processes.isEmpty ? nil : processes.reduce(0) { $0 + ProcessUse.peakBytes($1) }
  }
}
