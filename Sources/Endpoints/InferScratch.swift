import Inference
import Running
import Tracing
import Wire

/// What answering an infer request needs, kept with its exchange from one request to the next.
final class InferScratch {
  /// How the caller wants one output.
  struct Wish {
    var isListed = false
    /// Nil: as the whole request says.
    var isBinary: Bool?
    /// Classes to name; 0 = the tensor itself.
    var classes = 0
  }

  let run = RunRequest()
  /// Text that is decoded on the way: names, strings.
  private(set) var text = ByteBuffer(capacity: 1024)
  /// By output index.
  var wishes: [Wish] = []
  /// Classes in their binary form, by output index; the answer is sent from here.
  var classified: [Int: ByteBuffer] = [:]
  /// The request's id as it stands in the text, escapes and all; nil without one.
  var id: UnsafeRawBufferPointer?
  /// `binary_data_output`, for outputs that say nothing themselves.
  var binaryByDefault = false
  /// Microseconds; 0 = none.
  var timeoutMicros: UInt64 = 0
  /// The device that the request asks for.
  var device: String?
  /// What is told of the request once its answer is sent; nil unless it is traced or might be slow.
  var trace: RequestTrace?
  var traceNumbers = TraceNumbers()

  func begin(outputCount: Int) {
    if wishes.count != outputCount {
      wishes = Array(repeating: Wish(), count: outputCount)
    } else {
      for index in 0..<outputCount { wishes[index] = Wish() }
    }
    if !classified.isEmpty { classified = [:] }
    id = nil
    binaryByDefault = false
    timeoutMicros = 0
    device = nil
  }

  /// Gives the request's memory back; what is small stays for the next.
  func end() {
    run.reset()
    if text.capacity > 1 << 20 { text = ByteBuffer(capacity: 1024) }
  }

  func isBinary(_ output: Int) -> Bool { wishes[output].isBinary ?? binaryByDefault }
}
