import Glibc
import RunnerKit
import Synchronization

/// What one run needs besides the session, kept for the next run, so that a run allocates nothing of ours.
/// Only touched by the run that claimed it; `ticket` and `isTerminated` only under the lock of `RunSlots`.
final class RunSlot: @unchecked Sendable {  // see above
  let api: OrtAPI
  let runOptions: OrtObject
  let inputCount: Int
  let outputCount: Int
  let inputs: UnsafeMutablePointer<OrtObject?>
  /// The wanted outputs: place 0..<`wantedCount`.
  var wantedCount = 0
  let wanted: UnsafeMutablePointer<Int>
  let wantedNames: UnsafeMutablePointer<Text?>
  let outputs: UnsafeMutablePointer<OrtObject?>
  /// Host memory that the value at the same place in `outputs` writes to, if any.
  let buffers: UnsafeMutablePointer<HostBuffer?>
  /// Size of each named dimension in this run.
  let dimensionSizes: UnsafeMutablePointer<Int64>
  var shapes: ShapeMemory
  /// Whether this run goes by `shapes`, and has done so.
  var mayGuess = false
  var hasGuessed = false

  /// Nil while no run holds this slot.
  var ticket: UInt64?
  var isTerminated = false

  init(_ api: OrtAPI, inputCount: Int, outputCount: Int, dimensionNameCount: Int) throws(RunnerError) {
    self.api = api
    runOptions = try api.make(api.createRunOptions)
    self.inputCount = inputCount
    self.outputCount = outputCount
    inputs = .allocate(capacity: inputCount)
    inputs.initialize(repeating: nil, count: inputCount)
    wanted = .allocate(capacity: outputCount)
    wanted.initialize(repeating: 0, count: outputCount)
    wantedNames = .allocate(capacity: outputCount)
    wantedNames.initialize(repeating: nil, count: outputCount)
    outputs = .allocate(capacity: outputCount)
    outputs.initialize(repeating: nil, count: outputCount)
    buffers = .allocate(capacity: outputCount)
    for place in 0..<outputCount { (buffers + place).initialize(to: nil) }
    dimensionSizes = .allocate(capacity: dimensionNameCount)
    dimensionSizes.initialize(repeating: -1, count: dimensionNameCount)
    shapes = ShapeMemory(outputCount: outputCount)
  }

  deinit {
    clear()
    api.releaseRunOptions(runOptions)
    inputs.deallocate()
    wanted.deallocate()
    wantedNames.deallocate()
    outputs.deallocate()
    buffers.deinitialize(count: outputCount)
    buffers.deallocate()
    dimensionSizes.deallocate()
  }

  /// Gives back all values and buffers.
  func clear() {
    for index in 0..<inputCount {
      if let value = inputs[index].take() { api.releaseValue(value) }
    }
    clearOutputs()
  }

  func clearOutputs() {
    for place in 0..<outputCount {
      if let value = outputs[place].take() { api.releaseValue(value) }
      buffers[place] = nil
    }
  }
}
