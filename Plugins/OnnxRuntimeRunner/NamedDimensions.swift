import RunnerKit

/// Finds the shapes of outputs before a run: a dimension that an input and an output share by name has one size.
struct NamedDimensions: Sendable {
  /// What is known of a dimension before any run.
  private enum Dimension {
    case fixed(Int64)
    /// Index of a name that some input has.
    case named(Int)
    case unknown
  }

  let count: Int
  /// Per input: place in its shape and index of its name.
  private let learned: [[(place: Int, name: Int)]]
  /// Per output; nil without a known rank.
  private let outputs: [[Dimension]?]

  init(inputs: [ModelTensor], outputs: [ModelTensor]) {
    var names: [String: Int] = [:]
    learned = inputs.map { input in
      input.dimensionNames.enumerated().compactMap { place, name in
        guard !name.isEmpty, input.shape[place] < 0 else { return nil }
        let index = names[name] ?? names.count
        names[name] = index
        return (place, index)
      }
    }
    self.outputs = outputs.map { output in
      guard output.hasRank else { return nil }
      return zip(output.shape, output.dimensionNames).map { size, name in
        size >= 0 ? .fixed(size) : names[name].map { .named($0) } ?? .unknown
      }
    }
    count = names.count
  }

  private static let unset: Int64 = -1
  /// Inputs disagree; the engine may broadcast, so the output's size is open.
  private static let disputed: Int64 = -2

  func forget(_ slot: RunSlot) {
    for index in 0..<count { slot.dimensionSizes[index] = Self.unset }
  }

  /// - Parameter shape: Of the rank that the model declares.
  func learn(_ slot: RunSlot, input: Int, shape: UnsafeBufferPointer<Int64>) {
    for (place, name) in learned[input] {
      let known = slot.dimensionSizes[name]
      slot.dimensionSizes[name] = known == Self.unset || known == shape[place] ? shape[place] : Self.disputed
    }
  }

  /// Whether inputs gave one name two sizes in this run.
  func areDisputed(_ slot: RunSlot) -> Bool {
    (0..<count).contains { slot.dimensionSizes[$0] == Self.disputed }
  }

  /// Writes the shape of an output; its rank, or nil when it isn't known.
  func resolve(_ slot: RunSlot, output: Int, into sizes: inout InlineArray<8, Int64>) -> Int? {
    guard let dimensions = outputs[output] else { return nil }
    for (place, dimension) in dimensions.enumerated() {
      switch dimension {
      case .fixed(let size): sizes[place] = size
      case .named(let name): sizes[place] = slot.dimensionSizes[name]
      case .unknown: return nil
      }
      guard sizes[place] >= 0 else { return nil }
    }
    return dimensions.count
  }
}
