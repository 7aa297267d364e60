import Benchmarking
import CLinux
import Glibc
import Inference
import Manifests
import StadionClient
import Wire

/// Who takes part in a benchmark, and with which inputs.
struct BenchField {
  var subjects: [Subject] = []
  var absent: [Lineup.Absent] = []
  /// In the order of the plan's batches.
  var workloads: [Workload] = []
  /// Of the samples from files.
  var sampleNames: [String] = []
  /// Of the inputs.
  var notes: [String] = []

  init(_ arguments: Arguments, _ options: BenchOptions, _ work: WorkFolder, _ progress: ProgressLine) throws {
    let model = ModelID(arguments.operands[0])
    let servers = try Self.servers(arguments)
    if !servers.isEmpty {
      if !options.wishes.isEmpty { throw UsageError("--runner needs hosts of its own; leave --url and --direct out") }
      let key = try ClientOptions.key(arguments)
      if !options.plan.ways.isEmpty { throw UsageError("--ways needs hosts of its own; leave --url and --direct out") }
      subjects = servers.map { Subject(name: $0.description, address: $0, model: model, key: key) }
    } else {
      let lineup = try Self.lineup(model, arguments, options, work)
      for (index, entry) in lineup.entries.enumerated() {
        progress.show("loading \(model) into \(entry.name)")
        do {
          subjects.append(
            try lineup.start(index, ways: options.plan.ways, arguments: arguments.values("--serve-option")))
        } catch {
          // One that was asked for by name must take part.
          guard options.wishes.isEmpty else { throw error }
          absent.append(Lineup.Absent(name: entry.name, reason: error.description))
        }
      }
      if subjects.isEmpty {
        throw HostError(
          .unsupported, "no runner loads \(model): " + absent.map { "\($0.name): \($0.reason)" }.joined(separator: "; ")
        )
      }
    }
    for subject in subjects { subject.encoding = options.encoding }
    let samples = try samples(of: subjects[0], arguments, options)
    sampleNames = samples.map(\.name).filter { !$0.isEmpty }
    guard !options.batches.isEmpty else {
      workloads = [Workload(samples)]
      return
    }
    var models: [(runner: String, inputs: [TensorSpec])] = []
    for subject in subjects { models.append((subject.name, try subject.metadata().inputs)) }
    workloads = try Batches.make(options.batches, from: samples, models: models)
  }

  /// The inputs as the requests carry them: a size that differs between samples, or batches, is open.
  var specs: [TensorSpec] {
    let samples = workloads.flatMap(\.samples)
    return samples[0].tensors.enumerated().map { index, tensor in
      let shapes = samples.map { $0.tensors[index].shape }
      let shape = tensor.shape.indices.map { axis in
        shapes.allSatisfy { $0.count == tensor.shape.count && $0[axis] == tensor.shape[axis] } ? tensor.shape[axis] : -1
      }
      return TensorSpec(name: tensor.name, elementType: tensor.elementType, shape: shape)
    }
  }

  /// Those to measure as they are.
  private static func servers(_ arguments: Arguments) throws -> [HostAddress] {
    let sockets = arguments.values("--socket")
    let urls = arguments.values("--url")
    guard !urls.isEmpty || sockets.count > 1 || arguments.has("--direct") else { return [] }
    if arguments.has("--models") || arguments.has("--manifests") {
      throw UsageError("--models and --manifests are for hosts of the benchmark's own; leave --url and --direct out")
    }
    let named = sockets.map { HostAddress.unix(path: $0) }
    do {
      let all = try named + urls.map { try HostAddress(url: $0) }
      return all.isEmpty ? [.standard()] : all
    } catch let error as HostError {
      throw UsageError(error.message)
    }
  }

  private static func lineup(
    _ model: ModelID, _ arguments: Arguments, _ options: BenchOptions, _ work: WorkFolder
  ) throws -> Lineup {
    // Asked only where the command line leaves something open.
    let address = arguments.value("--socket").map { HostAddress.unix(path: $0) } ?? .standard()
    let client = StadionClient(address, timeout: .seconds(10), key: try ClientOptions.key(arguments))
    let place: ModelPlace
    let candidates: [Candidate]
    let manifests = arguments.has("--manifests") ? arguments.values("--manifests") : nil
    if let models = arguments.value("--models") {
      place = try ModelPlace(model, in: models, formats: arguments.values("--format"))
      candidates = Candidate.all(try Serve.manifestSearch(manifests).run())
    } else {
      place = try self.place(of: model, arguments.values("--format"), client)
      candidates =
        manifests != nil ? Candidate.all(try Serve.manifestSearch(manifests).run()) : try Candidate.all(of: client)
    }
    var path = [CChar](repeating: 0, count: Int(PATH_MAX))
    guard linux_executable_path(&path, path.count) else {
      throw HostError(.internalError, "can't tell where this executable lies")
    }
    let executable = String(decoding: path.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return try Lineup(place, candidates: candidates, wishes: options.wishes, executable: executable, work: work)
  }

  /// As the running host says; where there is none, its error also tells the other way.
  private static func place(
    of model: ModelID, _ formats: [String], _ client: StadionClient
  ) throws(HostError) -> ModelPlace {
    do {
      return try ModelPlace(model, of: client, formats: formats)
    } catch {
      guard error.code == .overloaded else { throw error }
      throw HostError(.overloaded, "\(error.message), or give the model's folder with --models")
    }
  }

  private mutating func samples(
    of subject: Subject, _ arguments: Arguments, _ options: BenchOptions
  ) throws -> [Sample] {
    let metadata = try subject.metadata()
    let files = arguments.values("--inputs")
    guard arguments.has("--input") || !files.isEmpty else {
      return [Sample(try GeneratedInputs.make(metadata.inputs, shapes: options.shapes, seed: options.plan.seed))]
    }
    let known = (try? StadionClient(subject.address, key: subject.key).model(subject.model.name))?["settings"]?[
      "inputs"]
    let hints = PictureOptions.merged(options.picture, into: known, metadata.inputs.map(\.name))
    if files.isEmpty {
      let read = try InputArguments(metadata: metadata, hints: hints).read(arguments.values("--input"))
      notes = read.notes
      return [Sample(name: read.subject ?? "", read.tensors)]
    }
    let read = try InputFiles(metadata.inputs, hints: hints).read(files)
    notes = read.notes
    return read.samples
  }
}
