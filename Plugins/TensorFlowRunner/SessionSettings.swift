import CLinux
import Glibc
import RunnerKit

/// Threads of TensorFlow, which has one set of them in a process: the first session decides.
struct ThreadCounts: Equatable, Sendable, CustomStringConvertible {
  static let keys = ["intra_op_threads", "inter_op_threads"]

  /// Within one operation. One by default: the host's parallelism is in its concurrent runs.
  var intraOp = 1
  /// For operations of all runs together. One for each core that this process may use by default, as concurrent runs
  /// share them: more only take it from each other.
  var interOp = min(Int(linux_cpu_count()), Self.cores)

  private static let cores = max(1, min(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1024))

  var description: String { "intra_op_threads \(intraOp), inter_op_threads \(interOp)" }

  init(_ options: Options) throws(RunnerError) {
    intraOp = try options.integer("intra_op_threads", in: 1...Self.cores) ?? intraOp
    interOp = try options.integer("inter_op_threads", in: 1...Self.cores) ?? interOp
  }

  /// - Throws: `.invalidArgument` when a model asks for other numbers than these, which it would silently not get.
  func check(_ options: Options) throws(RunnerError) {
    for (key, count) in [("intra_op_threads", intraOp), ("inter_op_threads", interOp)] {
      guard let wanted = try options.integer(key, in: 1...Self.cores), wanted != count else { continue }
      throw RunnerError(
        .invalidArgument,
        "option \(key) is \(wanted), but TensorFlow's threads serve all models of the runner, which has \(count); "
          + "change its manifest, or leave the option out of model.json")
    }
  }

  /// The message ConfigProto. Fields 2 and 5 are the counts; 7 lets what was saved for a GPU run on the CPU.
  var sessionConfig: [UInt8] { [0x10] + varint(intraOp) + [0x28] + varint(interOp) + [0x38, 1] }
}

/// Which part of a SavedModel is served; from `model.json`, else from the manifest.
struct ModelSettings {
  static let keys = ["signature", "tags", "copy_inputs"]

  /// Nil takes "serving_default", or the only one there is.
  var signature: String?
  /// Of the graph, as a SavedModel may hold several.
  var tags = ["serve"]
  /// Nil copies them for a graph that may hold on to them.
  var copiesInputs: Bool?

  init(_ options: Options, over base: ModelSettings? = nil) throws(RunnerError) {
    if let base { self = base }
    signature = options["signature"] ?? signature
    if let text = options["tags"] { tags = text.split(separator: ",").map { String($0) } }
    copiesInputs = try options.flag("copy_inputs") ?? copiesInputs
  }
}

private func varint(_ number: Int) -> [UInt8] {
  var bytes: [UInt8] = []
  var rest = UInt64(max(number, 0))
  repeat {
    bytes.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
    rest >>= 7
  } while rest > 0
  return bytes
}
