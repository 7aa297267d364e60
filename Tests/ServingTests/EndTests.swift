import Foundation
import HTTPTestClient
import Synchronization
import Testing

@testable import Serving

@Suite(.serialized, .timeLimit(.minutes(2))) struct `Ending connections` {
  @Test func `answers a client that has closed its half of a Unix socket`() throws {
    let server = try TestServer()
    let client = try server.client()
    try client.send(get("/facts?1") + get("/facts?2"))
    client.finishSending()
    #expect(try client.answer().text == "get /facts 1 0")
    #expect(try client.answer().text == "get /facts 2 0")
    #expect(try client.rest() == [])
    #expect(eventually { server.server.connectionCount == 0 })
  }

  @Test func `a Unix client's closed half cancels nothing`() throws {
    let server = try TestServer()
    let client = try server.client()
    try client.send(get("/wait"))
    #expect(eventually { server.handler.arrived == 1 })
    client.finishSending()
    // Behind it on the same loop.
    #expect(try server.client().answer(to: get("/facts")).status == 200)
    #expect(server.handler.left == 0)
    server.handler.open()
    #expect(try client.answer().text == "waited")
  }

  @Test(arguments: [false, true]) func `tells a handler that its client has left`(tcp: Bool) throws {
    let server = try TestServer()
    let client = try server.client(tcp: tcp)
    try client.send(get("/wait"))
    #expect(eventually { server.handler.arrived == 1 })
    client.leave()
    #expect(eventually { server.handler.left == 1 && server.server.connectionCount == 0 })
    #expect(eventually { server.handler.sentCount == 1 })
  }

  @Test func `tells a handler of a client that left before it began`() throws {
    for round in 1...10 {
      let server = try TestServer()
      let client = try server.client()
      try client.send(get("/wait"))
      client.leave()
      #expect(eventually { server.handler.left == 1 && server.server.connectionCount == 0 }, "round \(round)")
      guard server.handler.left == 1 else { return }
    }
  }

  @Test func `survives clients that leave at any point`() throws {
    let server = try TestServer()
    let request = post("/echo", [UInt8](repeating: 1, count: 40_000))
    for cut in [0, 1, 10, 40, 60, 100, 20_000, request.count - 1, request.count] {
      let client = try server.client(tcp: cut % 2 == 0)
      try client.send(Array(request[..<cut]))
      client.leave()
    }
    #expect(eventually { server.server.connectionCount == 0 })
    #expect(try server.client().answer(to: get("/facts")).status == 200)
  }

  // MARK: Draining

  @Test func `drains at once without connections`() throws {
    let server = try TestServer()
    #expect(!server.isDrained(within: 0))
    server.server.drain()
    #expect(server.isDrained())
  }

  @Test func `ends idle connections of every kind when it drains`() throws {
    let server = try TestServer(loops: 2)
    let fresh = try server.client()
    let used = try server.client(tcp: true)
    #expect(try used.answer(to: get("/facts")).status == 200)
    let large = try server.client()
    try large.send(post("/facts", [UInt8](repeating: 0, count: 200_000)))
    #expect(try large.answer().status == 200)
    let chunked = try server.client()
    try chunked.send("POST /facts HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
    #expect(try chunked.answer().status == 200)
    #expect(eventually { server.server.connectionCount == 4 })
    server.server.drain()
    #expect(server.isDrained(within: 5000))
    for client in [fresh, used, large, chunked] { #expect(try client.rest() == []) }
  }

  @Test func `answers what is under way, says that it closes, and takes nobody new`() throws {
    let server = try TestServer()
    let client = try server.client()
    try client.send(get("/wait"))
    #expect(eventually { server.handler.arrived == 1 })
    server.server.drain()
    #expect(eventually { !FileManager.default.fileExists(atPath: server.path) })
    #expect(throws: ClientFailure.self) { try server.client() }
    #expect(eventually { (try? server.client(tcp: true)) == nil })
    #expect(!server.isDrained(within: 0))
    server.handler.open()
    let answer = try client.answer()
    #expect(answer.text == "waited")
    #expect(answer.headers["connection"] == "close")
    #expect(try client.rest() == [])
    #expect(server.isDrained())
  }

  @Test func `takes a body that is under way while it drains`() throws {
    let server = try TestServer()
    let client = try server.client()
    try client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    #expect(try client.answer().status == 100)
    server.server.drain()
    #expect(eventually { !FileManager.default.fileExists(atPath: server.path) })
    try client.send("abc")
    let answer = try client.answer()
    #expect(answer.text == "abc")
    #expect(answer.headers["connection"] == "close")
    #expect(server.isDrained())
  }

  // MARK: Addresses

  @Test func `replaces a stale socket, and none in use`() throws {
    let path = TestServer.newPath()
    defer { unlink(path) }
    let stale = try Listening.open(.unix(path: path))
    close(stale)
    let live = try Listening.open(.unix(path: path))
    #expect(throws: ListenError.self) { try Listening.open(.unix(path: path)) }
    var polled = pollfd(fd: live, events: Int16(POLLIN), revents: 0)
    #expect(poll(&polled, 1, 0) == 1, "the probe has reached the one in use")
    close(live)
  }

  /// As a host that was killed while it was starting a runner's process.
  @Test func `replaces a socket whose listener has ended though its child holds it`() throws {
    let path = TestServer.newPath()
    defer { unlink(path) }
    let listener = Process()
    listener.executableURL = URL(fileURLWithPath: "/usr/bin/perl")
    listener.arguments = [
      "-MSocket", "-e",
      """
      $| = 1; $^F = 99;  # what it opens goes on to what it starts
      socket(S, PF_UNIX, SOCK_STREAM, 0) && bind(S, sockaddr_un($ARGV[0])) && listen(S, 9) or die $!;
      my $child = fork; exec("sleep", "600") unless $child;
      print "$child\n"; <STDIN>;
      """, path,
    ]
    let (input, output) = (Pipe(), Pipe())
    (listener.standardInput, listener.standardOutput) = (input, output)
    try listener.run()
    let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    let child = try #require(pid_t(line.trimmingCharacters(in: .whitespacesAndNewlines)))
    defer { kill(child, SIGKILL) }
    #expect(throws: ListenError.self) { try Listening.open(.unix(path: path)) }
    kill(listener.processIdentifier, SIGKILL)
    // Foundation itself would wait for the child.
    var taken: CInt?
    #expect(
      eventually {
        taken = try? Listening.open(.unix(path: path))
        return taken != nil
      })
    if let taken { close(taken) }
    #expect(kill(child, 0) == 0, "the child held it until here")
  }

  @Test func `gives its socket to owner and group only`() throws {
    let server = try TestServer()
    var info = stat()
    #expect(lstat(server.path, &info) == 0)
    #expect(info.st_mode & 0o777 == 0o660)
  }

  @Test func `leaves the modes of what other threads make alone`() throws {
    let folder = TestServer.newPath()
    /// Mode of a folder that is made now.
    func mode() -> mode_t {
      var info = stat()
      guard mkdir(folder, 0o777) == 0, lstat(folder, &info) == 0 else { return 0 }
      rmdir(folder)
      return info.st_mode
    }
    let before = mode()
    let opened = Mutex(0)
    let opener = Thread {
      let path = TestServer.newPath()
      while opened.withLock({ $0 }) >= 0, let socket = try? Listening.open(.unix(path: path)) {
        close(socket)
        unlink(path)
        opened.withLock { if $0 >= 0 { $0 += 1 } }
      }
    }
    opener.start()
    defer { opened.withLock { $0 = -1 } }
    var modes: Set<mode_t> = []
    #expect(
      eventually {
        modes.insert(mode())
        return opened.withLock { $0 } >= 2000
      })
    #expect(modes == [before])
  }

  @Test func `leaves files that aren't sockets alone`() throws {
    let path = TestServer.newPath()
    defer { unlink(path) }
    try "mine".write(toFile: path, atomically: true, encoding: .utf8)
    #expect(throws: ListenError.self) { try Listening.open(.unix(path: path)) }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "mine")
  }

  @Test func `leaves a socket that has taken its path`() throws {
    let server = try TestServer()
    unlink(server.path)
    let other = try Listening.open(.unix(path: server.path))
    defer { close(other) }
    server.server.drain()
    #expect(server.isDrained())
    #expect(FileManager.default.fileExists(atPath: server.path))
  }

  @Test(arguments: ["", String(repeating: "x", count: 108), "/nowhere/at/all.sock"])
  func `refuses impossible paths`(path: String) {
    #expect(throws: ListenError.self) { try Listening.open(.unix(path: path)) }
  }

  @Test(arguments: [
    "0.0.0.0", "10.0.0.1", "192.168.1.1", "::", "2001:db8::1", "::ffff:10.0.0.1", "example.org", "", "128.0.0.1",
  ])
  func `listens on loopback only`(host: String) {
    #expect(throws: ListenError.self) { try Listening.open(.tcp(host: host, port: 0)) }
  }

  @Test func `knows its loopback addresses`() throws {
    for host in ["127.0.0.1", "127.8.8.8", "localhost"] { close(try Listening.open(.tcp(host: host, port: 0))) }
    #expect(ListenAddress.tcp(host: "::1", port: 80).description == "[::1]:80")
  }
}
