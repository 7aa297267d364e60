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
  /// Tensors over the host's memory, by output.
  let bound: UnsafeMutableBufferPointer<Handle?>
  let buffers: UnsafeMutableBufferPointer<HostBuffer?>
  /// Sizes of all inputs of this run, one after the other.
  let dimensions: UnsafeMutableBufferPointer<Int64>
  /// Of the last run; often also of this one.
  var plan: ShapePlan?

  /// Nil while no run holds this slot.
  var ticket: UInt64?
  var isCancelled = false

  init(_ api: ov_api, compiled: Handle, outputCount: Int, dimensionCount: Int) throws(RunnerError) {
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
    dimensions = .allocate(capacity: dimensionCount)
    dimensions.initialize(repeating: 0)
  }

  deinit {
    clear()
    for tensor in own { api.tensor_free(tensor) }
    api.infer_request_free(request)
    own.deallocate()
    bound.deallocate()
    buffers.deinitialize().deallocate()
    dimensions.deallocate()
  }

  /// Lets go of the host's memory. The request still knows where inputs were, and gets others before it looks again.
  func clear() {
    for index in bound.indices {
      guard let tensor = bound[index].take() else { continue }
      // Never fails: it is the tensor that was there first.
      _ = api.infer_request_set_output_tensor_by_index(request, index, own[index])
      api.tensor_free(tensor)
      buffers[index] = nil
    }
  }
}
