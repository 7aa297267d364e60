package import Inference
package import Wire

/// Takes a body piece by piece, where it must not be in memory as a whole.
package protocol BodySink: AnyObject, Sendable {
  /// Takes the next piece; never called twice at once. Whatever blocks leaves the connection's loop for it.
  ///
  /// - Throws: What the request is refused with; nothing more is offered then.
  func take(_ piece: LentBytes) async throws(HostError)

  /// Nothing more comes, whether it was all or not. Called once.
  func end() async
}
