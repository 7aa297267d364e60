import Serving
import Synchronization

/// Ties the knot between the handler, which is made first, and the server that it answers for.
final class ServerState: Sendable {
  private let server = Mutex<HTTPServer?>(nil)

  func attach(_ server: HTTPServer) { self.server.withLock { $0 = server } }

  var isDraining: Bool { server.withLock { $0?.isDraining ?? false } }
}
