package import Inference
import StadionClient

/// Requests of several rows, for models whose first dimension is open.
package enum Batches {
  /// - Parameters:
  ///   - sizes: Rows of a request.
  ///   - samples: Of one row each; a request takes as many of them in turn as it has rows.
  ///   - models: What each runner says of the model, with the runner's name.
  /// - Throws: `HostError` `.unsupported` for a model or a runner whose first dimension isn't open, naming both.
  package static func make(
    _ sizes: [Int], from samples: [Sample], models: [(runner: String, inputs: [TensorSpec])]
  ) throws(HostError) -> [Workload] {
    for model in models {
      guard let fixed = model.inputs.first(where: { $0.shape.first.map { $0 >= 0 } ?? true }) else { continue }
      throw HostError(
        .unsupported,
        "--batch: input \(fixed.name) of \(model.runner) has shape \(fixed.shape), whose first dimension is no open "
          + "batch (-1); export the model with one, or leave that runner out with --runner")
    }
    for sample in samples {
      guard let tensor = sample.tensors.first(where: { $0.shape.first != 1 }) else { continue }
      let place = sample.name.isEmpty ? "" : " of \(sample.name)"
      throw HostError(
        .invalidRequest, "--batch makes requests of single rows; \(tensor.name)\(place) has shape \(tensor.shape)")
    }
    var workloads: [Workload] = []
    for size in sizes {
      var batched: [Sample] = []
      for first in samples.indices {
        let rows = (0..<size).map { samples[(first + $0) % samples.count] }
        let name = samples.count == 1 ? samples[0].name : "\(rows[0].name)…"
        batched.append(Sample(name: name, try joined(rows)))
      }
      workloads.append(Workload(batch: size, batched))
    }
    return workloads
  }

  /// The rows of each input one after the other.
  private static func joined(_ rows: [Sample]) throws(HostError) -> [DenseTensor] {
    var tensors = rows[0].tensors
    for index in tensors.indices {
      for row in rows.dropFirst() {
        guard row.tensors[index].shape == tensors[index].shape else {
          throw HostError(
            .invalidRequest,
            "--batch wants inputs of one shape; \(tensors[index].name) is \(tensors[index].shape) in \(rows[0].name) and "
              + "\(row.tensors[index].shape) in \(row.name)")
        }
      }
      tensors[index].bytes = rows.flatMap { $0.tensors[index].bytes }
      tensors[index].shape[0] = Int64(rows.count)
    }
    return tensors
  }
}
