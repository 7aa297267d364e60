import CStadionRunner
import Glibc
import Inference

/// A buffer of the runner's own that was emitted: the host's until it is released.
struct HeldBuffer {
  private let pointer: UnsafeMutablePointer<stadion_buffer>
  private let record: stadion_buffer
  private let data: UnsafeRawBufferPointer
  /// What the output was when it was emitted.
  private let bytes: [UInt8]
  private let name: String

  init(_ pointer: UnsafeMutablePointer<stadion_buffer>, _ tensor: stadion_tensor, _ output: EmittedOutput) {
    self.pointer = pointer
    record = pointer.pointee
    data = UnsafeRawBufferPointer(start: tensor.data, count: output.bytes.count)
    bytes = output.bytes
    name = output.spec.name
  }

  /// Reports what the runner has done to it since, and releases it. Any thread.
  func release(_ host: KitHost, _ report: Report) {
    let now = pointer.pointee
    if now.data != record.data || now.byte_size != record.byte_size || now.context != record.context {
      report.find(.bufferChanged, "the record of the buffer of \"\(name)\" has changed before its release")
    } else if !data.elementsEqual(bytes) {
      report.find(.bufferChanged, "the bytes of output \"\(name)\" have changed before the buffer's release")
    }
    host.letGo(pointer)
    record.release(pointer)
  }
}
