import Glibc
import Manifests
import Registry
import Routing
import Serving
import Synchronization

/// Watches the model repository, the folders of manifests, and the folders of the libraries that they name.
final class Watches: Sendable {
  private let search: ManifestSearch
  private let router: Router
  private let loop: EventLoop
  /// By folder; nil once they are stopped.
  private let watches = Mutex<[String: FolderWatch]?>([:])

  init(_ search: ManifestSearch, _ router: Router, on loop: EventLoop) {
    self.search = search
    self.router = router
    self.loop = loop
    for (root, levels) in router.modelFolders {
      let watch = FolderWatch(root: root, levels: FolderWatch.repositoryLevels + levels) {
        Task(executorPreference: loop) { await router.rescan() }
      }
      watches.withLock { $0?[root] = watch }
    }
    for folder in search.folders { watchRunners(in: folder) }
    watchLibraries(of: router.manifests)
  }

  func stop() {
    let all = watches.withLock { watches in
      defer { watches = nil }
      return watches?.values.map(\.self) ?? []
    }
    for watch in all { watch.stop() }
  }

  private func watchLibraries(of found: ManifestSearch.Result) {
    for folder in found.libraryFolders { watchRunners(in: folder) }
  }

  private func watchRunners(in folder: String) {
    watches.withLock { watches in
      guard watches != nil, watches?[folder] == nil else { return }
      watches?[folder] = FolderWatch(root: folder, levels: 1) { [weak self] in self?.lookAgain() }
    }
  }

  private func lookAgain() {
    let (search, router) = (search, router)
    Task(executorPreference: loop) {
      await router.update { [weak self] in
        let found = search.run()
        self?.watchLibraries(of: found)
        return found
      }
    }
  }
}
