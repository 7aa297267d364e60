/// A body that is made while it is sent, because all of it would take long or much memory.
package protocol BodyStream: AnyObject, Sendable {
  /// Fills blocks and sends them until the last, or until there are no more because the peer has left. Starts on the
  /// loop, and moves elsewhere for what takes time.
  func make(_ body: BodyWriter) async
}

extension Connection {
  /// Writes a body behind its head, in chunks unless the peer knows none.
  func send(_ stream: any BodyStream, _ exchange: Exchange) async throws {
    let body = BodyWriter(self, isChunked: !exchange.head.isHTTP10)
    await stream.make(body)
    if let end = body.end { throw end }
  }
}
