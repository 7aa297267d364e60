import CLinux
import CStadionRunner
package import Inference
package import Manifests

/// A runner in this process: its opened library, and a `stadion_runner` per device that serves a model.
///
/// [control]: one call at a time.
package final class LocalRunner: RunnerHome, @unchecked Sendable {
  // @unchecked: only used from one control thread.

  package let plugin: Plugin
  private let manifest: RunnerManifest
  private var instances: [(device: Int, pointer: OpaquePointer)] = []

  /// Opens the library.
  ///
  /// - Parameters:
  ///   - detachesLibrary: Whatever becomes of the library's file, this process keeps what it opened.
  ///   - sink: Takes what the runner logs; nil for the host's own log.
  /// - Throws: `.incompatibleRunner`; the runner then serves nothing.
  package init(
    _ manifest: RunnerManifest, detachesLibrary: Bool = false, logTo sink: HostTable.Sink? = nil
  ) throws(HostError) {
    self.manifest = manifest
    plugin = try Plugin(manifest, detachesLibrary: detachesLibrary, logTo: sink)
  }

  package var facts: RunnerFacts {
    RunnerFacts(
      version: plugin.version, engine: plugin.engine, score: plugin.score,
      devices: plugin.devices.map { device in
        RunnerFacts.Device(
          kind: device.kind, name: device.name, ordinal: device.ordinal, maxConcurrentRuns: device.maxConcurrentRuns)
      })
  }

  package var hasEnded: Bool { false }

  func load(_ request: Runner.LoadRequest, device: Int) throws(HostError) -> (home: any ModelHome, ModelSignature) {
    let model = try loadHere(request, device: device)
    return (model, model.signature)
  }

  package func loadHere(_ request: Runner.LoadRequest, device: Int) throws(HostError) -> LocalModel {
    let pointer = try load(instance(device), request)
    do {
      return try LocalModel(plugin: plugin, pointer: pointer)
    } catch {
      plugin.table.pointee.unload(pointer)
      throw error
    }
  }

  private func instance(_ index: Int) throws(HostError) -> OpaquePointer {
    if let known = instances.first(where: { $0.device == index }) { return known.pointer }
    let error = ErrorRecord()
    var created: OpaquePointer?
    let code = CText.withOptions(manifest.options) { options, count in
      plugin.table.pointee.create(plugin.devices[index].pointer, options, count, &created, error.pointer)
    }
    guard code == Code.ok, let created else { throw error.hostError(code, runnerID: plugin.id, doing: "start") }
    instances.append((index, created))
    return created
  }

  private func load(_ instance: OpaquePointer, _ request: Runner.LoadRequest) throws(HostError) -> OpaquePointer {
    let error = ErrorRecord()
    let ticket = Ticket()
    let timeout = UInt64(manifest.limits.loadTimeoutMs ?? 0) * 1_000_000
    ticket.renew(deadlineNs: timeout == 0 ? 0 : linux_now_ns() + timeout)
    var loaded: OpaquePointer?
    let code = CText.withOptions(request.options) { options, count in
      CText.withText(request.path) { path in
        plugin.table.pointee.load(instance, ticket.pointer, path, options, count, &loaded, error.pointer)
      }
    }
    guard code == Code.ok, let loaded else {
      throw error.hostError(code, runnerID: plugin.id, doing: "load the model")
    }
    return loaded
  }

  /// Its runs are the host's.
  func setWeight(_ weight: Int) {}

  /// The library stays open: nothing that has been opened can be closed for certain.
  func stop() {}

  /// Destroys what was created and closes the plugin; every model has been unloaded.
  package func close() {
    for instance in instances { plugin.table.pointee.destroy(instance.pointer) }
    instances = []
    plugin.table.pointee.close()
  }
}
