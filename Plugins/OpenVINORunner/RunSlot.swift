import COpenVINO
import RunnerKit
import Synchronization

/// An infer request and what one run needs besides, kept for the next run, so that a run allocates nothing of ours.
/// Only touched by the run that claimed it; `ticket` and `isCancelled` only under the lock of `RunSlots`.
final class RunSlot: @unchecked Sendable {  // see above
  let api: ov_api
  let request: Handle
  /// The request's own output tensors; those that a run doesn't want, or can't be given memory for, go there.
  let own: UnsafeMutableBufferPointer<Handle>
  /// Tensors over the host's memory, by output. They stay with the request: a host that is asked the same again and
  /// again gives the same memory, and to bind a tensor costs more than all else around a run.
  let bound: UnsafeMutableBufferPointer<Handle?>
  let buffers: UnsafeMutableBufferPointer<HostBuffer?>
  /// Where the request looks for inputs, and writes outputs that are bound; nil: nowhere yet. The memory is the host's,
  /// and only touched while a run has it.
  let inputPlaces: UnsafeMutableBufferPointer<UnsafeRawPointer?>
  let outputPlaces: UnsafeMutableBufferPointer<UnsafeRawPointer?>
  /// Sizes of all inputs of this run, one after the other.
  let dimensions: UnsafeMutableBufferPointer<Int64>
  /// Of the last run; often also of this one. Outputs are bound by it.
  var plan: ShapePlan? {
    didSet { unbindAll() }
  }
  /// Set by each run that came to its end; what another left bound isn't trusted.
  var isSound = false

  /// Nil while no run holds this slot.
  var ticket: UInt64?
  var isCancelled = false

  init(
    _ api: ov_api, compiled: Handle, inputCount: Int, outputCount: Int, dimensionCount: Int
  ) throws(RunnerError) {
    self.api = api
    let request = try api.make { api.compiled_model_create_infer_request(compiled, $0) }
    var tensors: [Handle] = []
    do throws(RunnerError) {
      for index in 0..<outputCount {
        tensors.append(try api.make { api.infer_request_get_output_tensor_by_index(request, index, $0) })
      }
    } catch {
      for tensor in tensors { api.tensor_free(tensor) }
      api.infer_request_free(request)
      throw error
    }
    self.request = request
    own = .allocate(capacity: outputCount)
    _ = own.initialize(from: tensors)
    bound = .allocate(capacity: outputCount)
    bound.initialize(repeating: nil)
    buffers = .allocate(capacity: outputCount)
    for index in 0..<outputCount { buffers.initializeElement(at: index, to: nil) }
    inputPlaces = .allocate(capacity: inputCount)
    inputPlaces.initialize(repeating: nil)
    outputPlaces = .allocate(capacity: outputCount)
    outputPlaces.initialize(repeating: nil)
    dimensions = .allocate(capacity: dimensionCount)
    dimensions.initialize(repeating: 0)
  }

  deinit {
    for tensor in bound { if let tensor { api.tensor_free(tensor) } }
    for tensor in own { api.tensor_free(tensor) }
    api.infer_request_free(request)
    own.deallocate()
    bound.deallocate()
    buffers.deinitialize().deallocate()
    inputPlaces.deallocate()
    outputPlaces.deallocate()
    dimensions.deallocate()
  }

  /// Gives back the host's memory. The request still knows where it was, and gets other before it looks again.
  func clear() {
    for index in buffers.indices { buffers[index] = nil }
    if !isSound {
      unbindAll()
      inputPlaces.update(repeating: nil)
    }
    isSound = false
  }

  /// Has this output written to the request's own memory again.
  func unbind(_ index: Int) {
    guard let tensor = bound[index].take() else { return }
    outputPlaces[index] = nil
    // Never fails: it is the tensor that was there first.
    _ = api.infer_request_set_output_tensor_by_index(request, index, own[index])
    api.tensor_free(tensor)
  }

  private func unbindAll() {
    for index in bound.indices { unbind(index) }
  }
}
