import Benchmarking
import CLinux
import Inference
import Routing
import Running
import StadionClient
import Telemetry

/// Runs of a version that is being tried out.
extension Trial {
  /// The answer to inputs that are made from the model's signature and a seed, the same as `stadion bench` makes.
  ///
  /// - Throws: What the runner says, or how its process ended. Nothing of it is counted anywhere.
  func answer(
    seed: UInt64, shapes: [String: [Int64]], timeoutMs: Int, outputByteLimit: Int = 1 << 30
  ) async throws(HostError) -> [DenseTensor] {
    let inputs = try GeneratedInputs.make(model.inputs, shapes: shapes, seed: seed)
    let request = RunRequest()
    defer { request.reset() }
    request.outputByteLimit = outputByteLimit
    try request.begin(model)
    for (index, input) in inputs.enumerated() {
      guard input.shape.count <= RunRequest.maxRank else {
        throw HostError(.unsupported, "input '\(input.name)' has more than \(RunRequest.maxRank) dimensions")
      }
      guard let memory = request.arena.allocate(max(input.bytes.count, 1)) else {
        throw HostError(.overloaded, "there is no memory for \(input.bytes.count) bytes of input '\(input.name)'")
      }
      input.bytes.withUnsafeBytes { bytes in
        if let start = bytes.baseAddress { memory.copyMemory(from: start, byteCount: bytes.count) }
      }
      for (axis, size) in input.shape.enumerated() { request.shape(ofInput: index)[axis] = size }
      request.setInput(index, rank: input.shape.count, data: memory, byteCount: input.bytes.count)
    }
    request.ticket.renew(deadlineNs: linux_now_ns() + UInt64(timeoutMs) * 1_000_000)
    try await model.execute(request, statistics: ModelStatistics()) {}
    return request.outputs.sorted { $0.index < $1.index }.map { output in
      DenseTensor(
        name: model.outputs[output.index].name, elementType: output.elementType,
        shape: Array(request.shape(of: output)),
        bytes: Array(UnsafeRawBufferPointer(start: output.data, count: output.byteCount)))
    }
  }
}
