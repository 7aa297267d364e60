import CLinux
import Glibc
import Inference
import Synchronization
import Telemetry
import Threads
import Wire

/// Listens, spreads connections over event loops, and drains them in the end.
///
/// Any thread may call it; its counters are atomic.
package final class HTTPServer: Sendable {
  let handler: any HTTPHandler
  package let loops: [EventLoop]
  /// Readable once the server is draining and its last connection has ended.
  package let drainedDescriptor: CInt

  /// All there have been, and the newest. They stay as long as the server: a loop may still look at an old one.
  private let allLimits: Mutex<[FixedLimits]>
  nonisolated(unsafe) private let currentLimits: Atomic<UnsafePointer<ServingLimits>>  // atomic; what it names is fixed
  private let listeners = Mutex<[Listener]>([])
  private let connections = Atomic<Int>(0)
  private let bodyBytes = Atomic<Int>(0)
  private let draining = Atomic<Bool>(false)
  private let turn = Atomic<Int>(0)

  package init(handler: any HTTPHandler, limits: ServingLimits, loops: [EventLoop]) {
    self.handler = handler
    let first = FixedLimits(limits)
    allLimits = Mutex([first])
    currentLimits = Atomic(first.place)
    self.loops = loops
    drainedDescriptor = eventfd(0, CInt(EFD_NONBLOCK) | CInt(EFD_CLOEXEC))
  }

  /// Can be changed while it serves, but for `headerFields`; requests under way may still see the old ones.
  package var limits: ServingLimits {
    // A pointer, as each request comes by several times: no count of references, no copy.
    get { currentLimits.load(ordering: .acquiring).pointee }
    set {
      allLimits.withLock { all in
        var limits = newValue
        // Exchanges have room for as many as there were.
        limits.headerFields = all[0].place.pointee.headerFields
        let next = FixedLimits(limits)
        all.append(next)
        currentLimits.store(next.place, ordering: .releasing)
      }
    }
  }

  package var isDraining: Bool { draining.load(ordering: .relaxed) }
  package var connectionCount: Int { connections.load(ordering: .relaxed) }

  /// Opens `address` and serves it. Blocks shortly; call on start.
  ///
  /// - Returns: The address, with the port that the system chose.
  package func listen(on address: ListenAddress) throws(ListenError) -> ListenAddress {
    let descriptor = try Listening.open(address)
    var bound = address
    if case .tcp(let host, _) = address { bound = .tcp(host: host, port: Listening.boundPort(descriptor)) }
    let listener = Listener(descriptor: descriptor, address: bound, server: self)
    listeners.withLock { $0.append(listener) }
    Task(executorPreference: loops[0]) { listener.start(on: self.loops[0]) }
    return bound
  }

  /// Takes no new connections, ends idle ones, and lets the others finish their request.
  package func drain() {
    draining.store(true, ordering: .sequentiallyConsistent)
    let open = listeners.withLock { list in
      defer { list = [] }
      return list
    }
    // Counted as a connection until every loop has been told, so that the end isn't announced too early.
    connections.wrappingAdd(1, ordering: .sequentiallyConsistent)
    Task(executorPreference: loops[0]) {
      for listener in open { listener.stop(on: self.loops[0]) }
      for loop in self.loops {
        await Task(executorPreference: loop) { loop.forEachTarget { ($0 as? Connection)?.drain() } }.value
      }
      self.connectionEnded()
    }
  }

  // MARK: For listeners and connections

  func accept(_ descriptor: CInt, isUnix: Bool) {
    guard connections.load(ordering: .relaxed) < limits.connections else {
      refuse(descriptor)
      return
    }
    connections.wrappingAdd(1, ordering: .relaxed)
    let next = turn.wrappingAdd(1, ordering: .relaxed).oldValue
    let loop = loops[next % loops.count]
    let connection = Connection(descriptor: descriptor, isUnix: isUnix, loop: loop, server: self)
    Task(executorPreference: loop) { connection.start() }
  }

  /// On the first loop, as all of `accept`.
  private func refuse(_ descriptor: CInt) {
    let pool = loops[0].exchanges
    let exchange = pool.takeExchange(limits: limits)
    exchange.name = pool.nextName()
    exchange.closes = true
    exchange.refuse(HostError(.overloaded, "too many connections are open; try again in a second"))
    // Into an empty socket: it fits.
    let answer = exchange.answer(pool)
    _ = writev(descriptor, answer, CInt(answer.count))
    pool.give(exchange)
    shutdown(descriptor, CInt(SHUT_WR))
    // Closing with an unread request would discard the answer; what has arrived so far is little.
    var scratch: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    for _ in 0..<64 where read(descriptor, &scratch, 32) <= 0 { break }
    close(descriptor)
  }

  func connectionEnded() {
    let left = connections.wrappingSubtract(1, ordering: .sequentiallyConsistent).newValue
    guard left == 0, isDraining else { return }
    var one: UInt64 = 1
    write(drainedDescriptor, &one, 8)
  }

  /// Counts memory for a large body.
  ///
  /// - Parameter load: Of the tenant that sends it; nil where that isn't bounded.
  /// - Throws: `.quotaExceeded` or `.overloaded` when all that the tenant, or everybody, may have is taken.
  func takeBodyBytes(_ byteCount: Int, for load: ServingLoad?) throws(HostError) {
    let limits = limits
    if let taken = load?.bodyBytes.wrappingAdd(byteCount, ordering: .relaxed).newValue, limits.tenantBodyBytes > 0,
      taken > limits.tenantBodyBytes
    {
      load?.bodyBytes.wrappingSubtract(byteCount, ordering: .relaxed)
      throw HostError(
        .quotaExceeded, "\(limits.tenantBodyBytes) bytes of one tenant's bodies under way are the limit; try again",
        details: ["limit": "serving.maxTenantBodyBytes", "value": .integer(limits.tenantBodyBytes)])
    }
    guard bodyBytes.wrappingAdd(byteCount, ordering: .relaxed).newValue > limits.totalBodyBytes else { return }
    returnBodyBytes(byteCount, of: load)
    throw HostError(.overloaded, "bodies under way take up all of \(limits.totalBodyBytes) bytes; try again")
  }

  func returnBodyBytes(_ byteCount: Int, of load: ServingLoad?) {
    bodyBytes.wrappingSubtract(byteCount, ordering: .relaxed)
    load?.bodyBytes.wrappingSubtract(byteCount, ordering: .relaxed)
  }

  /// Of each loop; 0 = no limit.
  var newConnectionsPerLoop: Int {
    let limit = limits.newConnections
    return limit == 0 ? 0 : max(1, limit / loops.count)
  }
}

/// Limits in a place of their own, never written again.
private final class FixedLimits: @unchecked Sendable {
  // @unchecked: what is behind `place` is only read.
  let place: UnsafePointer<ServingLimits>

  init(_ limits: ServingLimits) {
    let place = UnsafeMutablePointer<ServingLimits>.allocate(capacity: 1)
    place.initialize(to: limits)
    self.place = UnsafePointer(place)
  }

  deinit { place.deallocate() }
}

/// One listening socket, watched by the first loop.
final class Listener: EventTarget, @unchecked Sendable {
  // @unchecked: only touched from the first loop's thread after `init`.
  private let descriptor: CInt
  private let address: ListenAddress
  private unowned let server: HTTPServer
  /// Given up to answer one more client when descriptors run out.
  private var spare: CInt
  /// Which file the socket's path named when it was opened.
  private var inode: UInt64 = 0

  init(descriptor: CInt, address: ListenAddress, server: HTTPServer) {
    self.descriptor = descriptor
    self.address = address
    self.server = server
    spare = linux_open("/dev/null", O_RDONLY, 0)
    super.init()
    inode = currentInode()
  }

  func start(on loop: EventLoop) {
    // For reading only: a listening socket is always writable and would spin.
    loop.watch(descriptor, EPOLLIN.rawValue, self)
  }

  func stop(on loop: EventLoop) {
    if case .unix(let path) = address, inode != 0, currentInode() == inode { unlink(path) }
    loop.forget(descriptor, self)
    if spare >= 0 { close(spare) }
  }

  private func currentInode() -> UInt64 {
    var info = stat()
    guard case .unix(let path) = address, lstat(path, &info) == 0 else { return 0 }
    return UInt64(info.st_ino)
  }

  override func ready(_ events: UInt32) {
    // A bounded batch, so that a flood of connections doesn't starve requests.
    for _ in 0..<64 {
      let client = linux_accept(descriptor)
      if client >= 0 {
        if case .tcp = address {
          var yes: CInt = 1
          setsockopt(client, CInt(IPPROTO_TCP), TCP_NODELAY, &yes, 4)
          server.accept(client, isUnix: false)
        } else {
          // The system's default, 208 KB, sends an answer of 300 KB in two parts, with a switch of threads in between.
          // The system caps what is asked for; memory is taken only while an answer waits to be read.
          var sendBytes: CInt = 1 << 20
          setsockopt(client, SOL_SOCKET, SO_SNDBUF, &sendBytes, 4)
          server.accept(client, isUnix: true)
        }
        continue
      }
      switch errno {
      case EINTR, ECONNABORTED: continue
      case EMFILE, ENFILE:
        // Who has said nothing so far goes first; the client that waits is met again when a descriptor is free.
        if server.loops[0].newcomers.makeRoom(1) > 0 { return }
        refuseOne()
      default: return
      }
    }
  }

  /// Without a free descriptor the waiting client would wake the loop forever; it is accepted with the spare and closed.
  private func refuseOne() {
    if spare < 0 { spare = linux_open("/dev/null", O_RDONLY, 0) }
    guard spare >= 0 else { return }
    close(spare)
    let client = linux_accept(descriptor)
    if client >= 0 { close(client) }
    spare = linux_open("/dev/null", O_RDONLY, 0)
    Log.warning("no file descriptors left; a connection was refused", ("raise", "ulimit -n"))
  }
}
