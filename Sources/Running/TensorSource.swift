/// Where the memory of a request's tensors comes from, when it isn't the host's own. Any thread.
package protocol TensorSource: AnyObject, Sendable {
  /// At least `byteCount` bytes, aligned to 64; nil when there is none.
  func take(_ byteCount: Int) -> UnsafeMutableRawPointer?
  /// Takes back what `take(byteCount)` gave.
  func give(_ start: UnsafeMutableRawPointer, _ byteCount: Int)
}
