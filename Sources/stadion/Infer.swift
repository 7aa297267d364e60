import Inference
import StadionClient
import Wire

/// `stadion infer`: files in, an answer for people out.
enum Infer {
  static let spec = CommandSpec(
    "stadion infer", "Run a model on files and print its answer.", operands: ["MODEL[:VERSION]"],
    options: [
      .init(
        "--input", value: "NAME=FILE|JSON", isRepeated: true,
        help: "An input; - is standard input. NAME= may be left out when there is one."),
      .init("--lines", help: "Text files: each line is an element."),
      .init("--output", value: "DIR", help: "Write each output to DIR/NAME.npy, strings to DIR/NAME.json."),
      .init("--top", value: "N", help: "Print the N highest scores (5 where the model has labels)."),
      .init("--device", value: "KIND", help: "Run on cpu, gpu, npu, … instead of what the host prefers."),
      .init("--timeout-ms", value: "N", help: "Give up after N milliseconds (60000)."),
    ] + ClientOptions.facts,
    details: """
      Files are read by what they hold: npy, WAVE (FP32), PNG and JPEG (FP32, UINT8), text (BYTES), JSON, or raw
      elements when the byte count fits. model.json may say more under inputs.NAME: sampleRate, image, encode.

        stadion infer magika --input README.md
        stadion infer adder --input a=[1,2] --input b=numbers.npy --json
      """)

  @Sendable static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    let milliseconds = try arguments.integer("--timeout-ms", in: 1...86_400_000)
    let top = try arguments.integer("--top", in: 1...1_000_000)
    // The host hears of the limit and answers first; a second more lets its answer arrive.
    let client = try ClientOptions.client(arguments, timeout: .milliseconds((milliseconds ?? 59_000) + 1000))
    let model = ModelID(arguments.operands[0])
    let metadata = try client.metadata(model)
    let settings = try settings(of: model.name, client)

    let inputs = try InputArguments(metadata: metadata, hints: settings?["inputs"], byLine: arguments.has("--lines"))
      .read(arguments.values("--input"))
    for note in inputs.notes { StandardError.print("stadion: \(Table.printable(note))") }

    var parameters: [(String, JSONValue)] = []
    if let device = arguments.value("--device") {
      guard DeviceKind(device) != nil else {
        throw UsageError("--device wants a word like cpu or gpu, not \"\(device)\"")
      }
      parameters.append(("device", .string(device)))
    }
    if let milliseconds { parameters.append(("timeout", .integer(milliseconds * 1000))) }
    let wantsTensors = arguments.has("--output") || arguments.has("--json") && top == nil
    let outputs = wantsTensors ? [] : requested(metadata, labels: settings?["labels"], top: top)
    let answer = try client.infer(model, inputs: inputs.tensors, outputs: outputs, parameters: parameters)
    try report(answer, arguments, subject: inputs.subject ?? model.name)
  }

  /// `model.json`; nil from a host that has no `/v1`, or none to say.
  private static func settings(of name: String, _ client: StadionClient) throws(HostError) -> JSONValue? {
    do { return try client.model(name)["settings"] } catch {
      guard error.code == .notFound || error.code == .invalidRequest else { throw error }
      return nil
    }
  }

  /// Asks for scores where labels tell what they mean, or of every numeric output when `top` insists.
  private static func requested(_ metadata: ModelMetadata, labels: JSONValue?, top: Int?) -> [RequestedOutput] {
    let labelled = Set(labels?.members?.map(\.key) ?? [])
    let hasLabels = metadata.outputs.contains { labelled.contains($0.name) }
    guard hasLabels || top != nil else { return [] }
    // Types that the protocol can't rank.
    let unranked: Set<ElementType> = [.utf8, .bool, .f16, .bf16]
    return metadata.outputs.map { output in
      let isRanked = hasLabels ? labelled.contains(output.name) : !unranked.contains(output.elementType)
      return RequestedOutput(output.name, classification: isRanked ? top ?? 5 : 0)
    }
  }

  private static func report(_ answer: InferenceAnswer, _ arguments: Arguments, subject: String) throws {
    if let folder = arguments.value("--output") {
      try FileBytes.makeFolder(folder)
      for output in answer.outputs {
        let path = try write(output, to: folder)
        if !arguments.has("--json") { print("\(path): \(AnswerReport(subject: subject).summary(output))") }
      }
    }
    if arguments.has("--json") { return print(try AnswerReport.json(answer).text) }
    if arguments.has("--output") { return }
    let report = AnswerReport(subject: subject)
    for output in answer.outputs { print(report.scores(output) ?? report.summary(output)) }
  }

  /// - Returns: The file's path. Names that would lead elsewhere lose what leads there.
  private static func write(_ output: DenseTensor, to folder: String) throws(HostError) -> String {
    let safe = String(output.name.map { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) ? $0 : "_" })
    let name = safe.hasPrefix(".") || safe.isEmpty ? "_\(safe)" : safe
    if output.elementType == .utf8 {
      let path = "\(folder)/\(name).json"
      let json: JSONValue = [
        "shape": .array(output.shape.map { .integer($0) }), "data": .array(try output.elementsAsJSON()),
      ]
      try FileBytes.write(Array(json.text.utf8) + [10], to: path)
      return path
    }
    let path = "\(folder)/\(name).npy"
    try FileBytes.write(try NumPyFile.write(output), to: path)
    return path
  }
}
