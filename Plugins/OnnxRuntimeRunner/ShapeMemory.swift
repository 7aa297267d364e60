/// The shapes that outputs had when inputs had the shapes that they have now, for those that no name tells beforehand.
///
/// A guess: shapes may depend on what is in the inputs, too. The engine refuses memory for another shape.
struct ShapeMemory {
  /// Of all inputs, each after its rank.
  private var inputs: [Int64] = []
  private var place = 0
  private var areSame = true
  private var outputs: [[Int64]?]

  init(outputCount: Int) { outputs = Array(repeating: nil, count: outputCount) }

  /// Before the inputs of a run.
  mutating func begin() {
    place = 0
    areSame = true
  }

  mutating func see(_ shape: UnsafeBufferPointer<Int64>) {
    see(Int64(shape.count))
    for size in shape { see(size) }
  }

  private mutating func see(_ number: Int64) {
    if place == inputs.count {
      inputs.append(number)
      areSame = false
    } else if inputs[place] != number {
      inputs[place] = number
      areSame = false
    }
    place += 1
  }

  /// After the inputs of a run.
  mutating func end() {
    guard !areSame || place != inputs.count else { return }
    inputs.removeSubrange(place...)
    for index in outputs.indices { outputs[index] = nil }
  }

  mutating func learn(output index: Int, _ shape: UnsafeBufferPointer<Int64>) {
    guard !(outputs[index]?.elementsEqual(shape) ?? false) else { return }
    outputs[index] = Array(shape)
  }

  /// Writes the shape of an output; its rank, or nil when there is none to go by.
  func recall(output index: Int, into sizes: inout InlineArray<8, Int64>) -> Int? {
    guard let shape = outputs[index] else { return nil }
    for place in shape.indices { sizes[place] = shape[place] }
    return shape.count
  }
}
