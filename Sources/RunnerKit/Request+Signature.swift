/// An input or output of a model, as its runner keeps it.
public protocol NamedTensor {
  /// NUL-terminated UTF-8.
  var name: UnsafePointer<CChar> { get }
}

/// What a request holds against what the model takes and gives.
extension Request {
  /// Gives each of the model's inputs to `body`, with its place in `tensors`. Any order in the request will do.
  ///
  /// - Throws: `.invalidArgument` for one that is missing, unknown or given twice; what `body` throws.
  @inlinable
  public func forEachInput<Tensor: NamedTensor>(
    of tensors: [Tensor], _ body: (Int, Tensor, Input) throws(RunnerError) -> Void
  ) throws(RunnerError) {
    for (index, tensor) in tensors.enumerated() {
      guard let input = input(named: tensor.name, hint: index) else {
        throw RunnerError(.invalidArgument, "input \(String(cString: tensor.name)) is missing")
      }
      try body(index, tensor, input)
    }
    guard inputCount > tensors.count else { return }
    for index in 0..<inputCount where !tensors.contains(where: { input(index).hasName($0.name) }) {
      throw RunnerError(.invalidArgument, "the model has no input \(String(cString: input(index).name))")
    }
    throw RunnerError(.invalidArgument, "an input was given twice")
  }

  /// Indexes of the outputs that are wanted, checked.
  ///
  /// - Parameter count: Outputs of the model.
  /// - Throws: `.invalidArgument` for more than the model has, and for one that it hasn't.
  public func chosenOutputs(of count: Int) throws(RunnerError) -> ChosenOutputs {
    let indexes = wantedOutputs
    if let indexes, indexes.count > count {
      throw RunnerError(.invalidArgument, "\(indexes.count) outputs are wanted, the model has \(count)")
    }
    if let stranger = indexes?.first(where: { $0 >= count }) {
      throw RunnerError(.invalidArgument, "output \(stranger) is wanted, the model has \(count)")
    }
    return ChosenOutputs(indexes: indexes, count: indexes?.count ?? count)
  }
}

/// Which outputs of a model a request wants: a view of the request.
public struct ChosenOutputs {
  let indexes: UnsafeBufferPointer<UInt32>?
  public let count: Int

  public subscript(place: Int) -> Int { indexes.map { Int($0[place]) } ?? place }
}
