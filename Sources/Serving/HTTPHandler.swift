package import Inference

/// What stands behind the server: requests in, answers out.
package protocol HTTPHandler: AnyObject, Sendable {
  /// The first bytes of a request have come; what answering it will likely look at may be fetched while they are read.
  /// Runs on the connection's loop.
  func expect(_ input: UnsafeRawBufferPointer, from peer: Peer)

  /// Decides by the head alone whether a request is heard at all: before any of its body is read, and again from time to
  /// time while that is on its way. Runs on the connection's loop.
  ///
  /// - Throws: What it is refused with; the connection ends then.
  func admit(_ exchange: Exchange) throws(HostError)

  /// Answers one request by filling `exchange`. Runs on the connection's loop; must not block it for long.
  func respond(to exchange: Exchange) async

  /// The server has refused a request that `respond` never saw; headers may be added. Runs on the loop.
  func didRefuse(_ exchange: Exchange, _ error: HostError)

  /// The answer has been written, or can't be: memory given to `appendUncopied` may go. Runs on the loop.
  func didSend(_ exchange: Exchange)

  /// Bytes of the body in front of data that should be aligned to 64 bytes; 0 if nothing needs it.
  func alignedOffset(for head: HTTPHead) -> Int

  /// Memory of the handler's for a large body, but for its first `alignedOffset` bytes; nil for the server's own.
  ///
  /// - Parameter byteCount: Of the memory.
  func memory(for exchange: Exchange, byteCount: Int) -> (any BodyMemory)?

  /// Where the body of a PUT or PATCH goes instead of `exchange.body`; nil for those that are received as others are.
  /// Asked before any of the body is read.
  ///
  /// - Throws: What the request is refused with.
  func sink(for exchange: Exchange) async throws(HostError) -> (any BodySink)?
}

extension HTTPHandler {
  package func expect(_ input: UnsafeRawBufferPointer, from peer: Peer) {}
  package func didRefuse(_ exchange: Exchange, _ error: HostError) {}
  package func sink(for exchange: Exchange) async throws(HostError) -> (any BodySink)? { nil }
}

/// Memory that a handler gives for a body; it goes back with the last reference.
package protocol BodyMemory: AnyObject {
  var start: UnsafeMutableRawPointer { get }
  var byteCount: Int { get }
}
