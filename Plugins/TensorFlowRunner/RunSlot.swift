import CTensorFlow
import Glibc
import RunnerKit
import Synchronization

/// What one run needs besides the session, kept for the next run, so that a run allocates nothing of ours.
/// Only touched by the run that claimed it, but for `lent`.
final class RunSlot: @unchecked Sendable {  // see above
  let api: TensorFlowAPI
  let status: TFObject
  let inputCount: Int
  let outputCount: Int
  let inputs: UnsafeMutablePointer<TFObject?>
  /// The wanted outputs: place 0..<`wantedCount`.
  var wantedCount = 0
  let wanted: UnsafeMutablePointer<Int>
  let wantedPlaces: UnsafeMutablePointer<tf_output>
  let outputs: UnsafeMutablePointer<TFObject?>
  /// Tensors over the caller's memory that the engine hasn't let go of yet.
  private let lent = Atomic(0)
  /// The message RunOptions, and the buffer that holds it.
  private let options: UnsafeMutablePointer<UInt8>
  private let optionsBuffer: UnsafeMutablePointer<tf_buffer>
  /// Nil for a run without a deadline.
  private(set) var runOptions: UnsafePointer<tf_buffer>?

  init(_ api: TensorFlowAPI, inputCount: Int, outputCount: Int) throws(RunnerError) {
    guard let status = api.newStatus() else { throw Engine.outOfMemory }
    self.api = api
    self.status = status
    self.inputCount = inputCount
    self.outputCount = outputCount
    inputs = .allocate(capacity: inputCount)
    inputs.initialize(repeating: nil, count: inputCount)
    wanted = .allocate(capacity: outputCount)
    wanted.initialize(repeating: 0, count: outputCount)
    wantedPlaces = .allocate(capacity: outputCount)
    wantedPlaces.initialize(repeating: tf_output(operation: nil, index: 0), count: outputCount)
    outputs = .allocate(capacity: outputCount)
    outputs.initialize(repeating: nil, count: outputCount)
    options = .allocate(capacity: 11)
    options.initialize(repeating: 0, count: 11)
    optionsBuffer = .allocate(capacity: 1)
    optionsBuffer.initialize(to: tf_buffer(data: UnsafeRawPointer(options), length: 0, deallocator: nil))
  }

  deinit {
    clear()
    api.deleteStatus(status)
    inputs.deallocate()
    wanted.deallocate()
    wantedPlaces.deallocate()
    outputs.deallocate()
    options.deallocate()
    optionsBuffer.deallocate()
  }

  /// Lets the engine end the run when its deadline has passed.
  ///
  /// - Throws: `.deadlineExceeded` when it has already.
  func setTimeout(deadline: UInt64?) throws(RunnerError) {
    runOptions = nil
    guard let deadline else { return }
    let now = monotonicNanoseconds()
    guard deadline > now else { throw RunnerError(.deadlineExceeded, "the deadline passed") }
    // Field 2, timeout_in_ms; rounded up, as 0 would mean none.
    options[0] = 0x10
    optionsBuffer.pointee.length = 1
    var rest = (deadline - now - 1) / 1_000_000 + 1
    repeat {
      options[optionsBuffer.pointee.length] = UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0)
      optionsBuffer.pointee.length += 1
      rest >>= 7
    } while rest > 0
    runOptions = UnsafePointer(optionsBuffer)
  }

  /// The tensor that is made next lies in the caller's memory. `giveBack` is called with what this returns when the
  /// engine lets go of it, on any thread.
  func lend() -> UnsafeMutableRawPointer {
    lent.add(1, ordering: .relaxed)
    return Unmanaged.passRetained(self).toOpaque()
  }

  /// Waits until the engine has let go of all that was lent. A thread of its own that ends a run may do so a moment after
  /// the run has returned.
  ///
  /// - Returns: False when it hasn't after a second: then it keeps it.
  func hasBackWhatWasLent() -> Bool {
    for _ in 0..<10_000 {
      if lent.load(ordering: .acquiring) == 0 { return true }
      usleep(100)
    }
    return false
  }

  static let giveBack: TensorFlowAPI.Deallocator = { _, _, slot in
    guard let slot else { return }
    Unmanaged<RunSlot>.fromOpaque(slot).takeRetainedValue().lent.subtract(1, ordering: .releasing)
  }

  /// Gives back all tensors.
  func clear() {
    for index in 0..<inputCount {
      if let tensor = inputs[index].take() { api.deleteTensor(tensor) }
    }
    for place in 0..<outputCount {
      if let tensor = outputs[place].take() { api.deleteTensor(tensor) }
    }
  }
}

/// The slots of one model: as many as were ever busy at once.
final class RunSlots: Sendable {
  private let api: TensorFlowAPI
  private let inputCount: Int
  private let outputCount: Int
  private let free = Mutex<[RunSlot]>([])

  init(_ api: TensorFlowAPI, inputCount: Int, outputCount: Int) {
    self.api = api
    self.inputCount = inputCount
    self.outputCount = outputCount
  }

  /// A slot for one run; it goes back with `release`.
  func claim() throws(RunnerError) -> RunSlot {
    if let slot = free.withLock({ $0.popLast() }) { return slot }
    return try RunSlot(api, inputCount: inputCount, outputCount: outputCount)
  }

  /// - Parameter slot: Cleared, and nothing of it lent.
  func release(_ slot: RunSlot) { free.withLock { $0.append(slot) } }
}
