import Inference
import Threads

extension RunThreads {
  /// Does what may block off event loops.
  func blocking<Value: Sendable>(_ body: @Sendable () throws(HostError) -> Value) async throws(HostError) -> Value {
    let result = await withTaskExecutorPreference(self) {
      Result { () throws(HostError) -> Value in try body() }
    }
    return try result.get()
  }
}
