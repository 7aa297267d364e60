import COpenVINO
import RunnerKit
import Synchronization

/// The shapes of outputs for inputs of certain shapes.
final class ShapePlan: Sendable {
  /// Of all inputs, one after the other.
  let dimensions: [Int64]
  /// Nil where only the run can tell.
  let outputs: [[Int64]?]

  init(dimensions: [Int64], outputs: [[Int64]?]) {
    self.dimensions = dimensions
    self.outputs = outputs
  }

  func fits(_ given: UnsafeBufferPointer<Int64>) -> Bool {
    given.count == dimensions.count && given.elementsEqual(dimensions)
  }
}

/// Plans of a model with open dimensions, made by the engine's own shape inference.
///
/// It is asked before the first run with each new combination of shapes, for two reasons: the compiled model doesn't
/// check everything (sizes that don't go together may end in an empty output without an error), and outputs of known
/// shape go into the host's memory without a copy.
final class ShapePlans: @unchecked Sendable {  // `model` only under the lock
  private let engine: Engine
  private let model: Handle
  private let ranks: [Int]
  private let outputCount: Int
  private let recent = Mutex<[ShapePlan]>([])

  /// Plans that are kept; the oldest goes first.
  private static let limit = 256

  /// - Parameters:
  ///   - model: Owned from now on; not the compiled one.
  ///   - ranks: Of its inputs.
  init(_ engine: Engine, owning model: Handle, ranks: [Int], outputCount: Int) {
    self.engine = engine
    self.model = model
    self.ranks = ranks
    self.outputCount = outputCount
  }

  deinit { engine.api.model_free(model) }

  /// - Parameter dimensions: Of all inputs, of the ranks that the model declares.
  /// - Throws: `.invalidArgument` with the engine's words when these shapes don't go together.
  func plan(_ dimensions: UnsafeBufferPointer<Int64>) throws(RunnerError) -> ShapePlan {
    try recent.withLock { (recent) throws(RunnerError) -> ShapePlan in
      if let known = recent.first(where: { $0.fits(dimensions) }) { return known }
      let made = ShapePlan(dimensions: Array(dimensions), outputs: try infer(dimensions))
      if recent.count == Self.limit { recent.removeFirst() }
      recent.append(made)
      return made
    }
  }

  private func infer(_ dimensions: UnsafeBufferPointer<Int64>) throws(RunnerError) -> [[Int64]?] {
    let api = engine.api
    var sizes = dimensions.map { ov_dimension(min: $0, max: $0) }
    let indexes = Array(ranks.indices)
    let code = sizes.withUnsafeMutableBufferPointer { sizes in
      var start = 0
      var shapes = ranks.map { rank in
        defer { start += rank }
        return ov_partial_shape(
          rank: ov_dimension(min: Int64(rank), max: Int64(rank)), dimensions: sizes.baseAddress.map { $0 + start })
      }
      return api.model_reshape_by_port_indexes(model, indexes, &shapes, indexes.count)
    }
    guard code == OV_OK else {
      var error = api.error(code, .invalidArgument)
      error.message = "the inputs' shapes don't go together: \(error.message)"
      throw error
    }
    var outputs: [[Int64]?] = []
    for index in 0..<outputCount {
      let port = try api.make { api.model_const_output_by_index(model, index, $0) }
      defer { api.output_const_port_free(port) }
      var shape = ov_partial_shape()
      try api.check(api.port_get_partial_shape(port, &shape))
      defer { api.partial_shape_free(&shape) }
      outputs.append(Self.fixed(shape))
    }
    return outputs
  }

  private static func fixed(_ shape: ov_partial_shape) -> [Int64]? {
    guard shape.rank.min == shape.rank.max, (0...8).contains(shape.rank.max) else { return nil }
    let sizes = UnsafeBufferPointer(start: shape.dimensions, count: Int(shape.rank.max))
    return sizes.allSatisfy { $0.min == $0.max && $0.min >= 0 } ? sizes.map(\.min) : nil
  }
}
