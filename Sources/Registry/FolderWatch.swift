import CLinux
import Glibc
import Synchronization
import Telemetry

/// Tells when anything in a folder changes, and in folders below it: files written, folders made, things gone.
///
/// A folder that isn't there, or no longer, is waited for. A thread of its own waits for inotify; the caller is told once
/// a burst of changes has been quiet for a moment.
package final class FolderWatch: Sendable {
  /// A copy of a model raises many events; the scan that follows should see it whole.
  private static let quietMs: CInt = 100
  private static let events = UInt32(
    IN_CREATE | IN_DELETE | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF)

  private let root: String
  private let levels: Int
  private let changed: @Sendable () -> Void
  private let inotify: CInt
  private let stopping: CInt
  /// The watch of the folder above in which `root`, or one on the way to it, is to appear; -1 while `root` is there.
  private let above = Atomic<CInt>(-1)

  /// - Parameters:
  ///   - levels: 1 watches `root` alone.
  ///   - changed: Called on the watch's thread.
  package init(root: String, levels: Int = repositoryLevels, changed: @escaping @Sendable () -> Void) {
    self.root = root
    self.levels = levels
    self.changed = changed
    inotify = inotify_init1(CInt(IN_NONBLOCK) | CInt(IN_CLOEXEC))
    stopping = eventfd(0, CInt(EFD_NONBLOCK) | CInt(EFD_CLOEXEC))
    watchAll()
    var handle = pthread_t()
    pthread_create(
      &handle, nil,
      { argument in
        linux_name_thread("watch")
        Unmanaged<FolderWatch>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    pthread_detach(handle)
  }

  deinit {
    close(inotify)
    close(stopping)
  }

  /// Ends the thread; `changed` isn't called any more, but for a call that is under way.
  package func stop() {
    var one: UInt64 = 1
    write(stopping, &one, 8)
  }

  /// Levels of a model repository: root, model, version, and what a SavedModel has below, `saved_model/variables`.
  package static let repositoryLevels = 5

  /// Watches the root, each model, each version and what is in it. A folder that is watched already stays so.
  private func watchAll() {
    var now = above.load(ordering: .relaxed)
    while true {
      let before = now
      watch(root, levels: levels)
      now = access(root, F_OK) == 0 ? -1 : watchAbove()
      if before >= 0 && before != now { inotify_rm_watch(inotify, before) }
      // What has come between two looks has raised no event.
      if now == before { break }
    }
    above.store(now, ordering: .relaxed)
  }

  /// Watches the lowest folder above the root that is there; -1 if none can be.
  private func watchAbove() -> CInt {
    let events = UInt32(IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
    var folder = Substring(root)
    while folder != "/", let slash = folder.lastIndex(of: "/") {
      folder = slash == folder.startIndex ? "/" : folder[..<slash]
      let watch = inotify_add_watch(inotify, String(folder), events)
      if watch >= 0 { return watch }
    }
    return -1
  }

  private func watch(_ folder: String, levels: Int) {
    if inotify_add_watch(inotify, folder, Self.events) < 0 && errno != ENOENT {
      Log.warning(
        "can't watch a folder; load its models by request", ("folder", folder),
        ("reason", String(cString: strerror(errno))), ("raise", "fs.inotify.max_user_watches"))
    }
    guard levels > 1 else { return }
    for inner in Self.folders(in: folder) { watch(inner, levels: levels - 1) }
  }

  private static func folders(in path: String) -> [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var found: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard !name.hasPrefix(".") else { continue }
      var info = stat()
      if stat("\(path)/\(name)", &info) == 0, info.st_mode & S_IFMT == S_IFDIR { found.append("\(path)/\(name)") }
    }
    return found
  }

  private func run() {
    var hasNews = false
    while true {
      var polled = [
        pollfd(fd: stopping, events: Int16(POLLIN), revents: 0), pollfd(fd: inotify, events: Int16(POLLIN), revents: 0),
      ]
      let count = poll(&polled, 2, hasNews ? Self.quietMs : -1)
      if polled[0].revents != 0 { return }
      if count > 0 && polled[1].revents != 0 {
        drain()
        hasNews = true
      } else if count == 0 && hasNews {
        hasNews = false
        let wasThere = above.load(ordering: .relaxed) < 0
        watchAll()
        // Else something else has changed in a folder above.
        if wasThere || above.load(ordering: .relaxed) < 0 { changed() }
      }
    }
  }

  private func drain() {
    withUnsafeTemporaryAllocation(byteCount: 16 * 1024, alignment: 8) { buffer in
      while read(inotify, buffer.baseAddress!, buffer.count) > 0 {}
    }
  }
}
