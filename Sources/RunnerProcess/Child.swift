import CLinux
import CRunning
import Confinement
import Glibc
import Inference
import Manifests
import Running
import Synchronization
import Telemetry
import Wire

/// A runner's process from the inside: its control thread, and what it shares with the listening thread.
final class Child: Sendable {
  private let channel: ControlChannel
  private let manifest: RunnerManifest
  private let workers: RunWorkers
  /// Messages that wait for the control thread.
  private let inbox = Mutex<[JSONValue]>([])
  private let wakeUp = eventfd(0, CInt(EFD_CLOEXEC))

  /// Maps the arena and narrows the process.
  ///
  /// - Returns: Nil for an order that no host gives.
  init?(_ order: JSONValue, _ channel: ControlChannel, _ arena: CInt) {
    guard let manifest = order["open"].flatMap({ ControlMessages.manifest($0) }),
      let confinement = order["confinement"].flatMap({ RunnerAccess.confinement($0) }),
      let byteCount = order["arenaBytes"]?.int, let base = SharedArena.map(arena, byteCount)
    else { return nil }
    close(arena)
    self.channel = channel
    self.manifest = manifest
    let spinNs = linux_cpu_count() > 1 ? UInt64(order["spinMicros"]?.int ?? 0) * 1000 : 0
    do throws(HostError) {
      for remark in try confinement.apply() {
        channel.send(["log": [.integer(Log.Level.warning.rawValue), .string("not confined in full: \(remark)")]])
      }
    } catch {
      channel.send(ControlMessages.encode(error))
      return nil
    }
    workers = RunWorkers(base: base, arenaBytes: byteCount, spinNs: spinNs)
  }

  // MARK: Listening

  /// Starts the thread that reads what the host says.
  func listen() {
    var handle = pthread_t()
    let code = pthread_create(
      &handle, nil,
      { argument in
        linux_name_thread("listen")
        Unmanaged<Child>.fromOpaque(argument!).takeRetainedValue().hear()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    if code != 0 { _exit(2) }
    pthread_detach(handle)
  }

  private func hear() {
    while let messages = channel.receive() {
      for message in messages {
        if let run = message["interrupt"]?.array?.compactMap(\.int), run.count == 2 {
          workers.interrupt(model: UInt32(clamping: run[0]), ticket: UInt64(clamping: run[1]))
        } else {
          inbox.withLock { $0.append(message) }
          var one: UInt64 = 1
          write(wakeUp, &one, 8)
        }
      }
    }
    // The host has gone: nobody waits for anything any more.
    _exit(0)
  }

  // MARK: Control

  /// Opens the runner, then does what the host asks, one thing after the other.
  func work() -> Never {
    let runner: LocalRunner
    do throws(HostError) {
      let channel = channel
      runner = try LocalRunner(manifest, detachesLibrary: true) { level, text in
        channel.send(["log": [.integer(level.rawValue), .string(text)]])
      }
    } catch {
      channel.send(ControlMessages.encode(error))
      awaitEnd()
    }
    workers.start()
    channel.send(ControlMessages.encode(runner.facts))
    while true {
      var news: UInt64 = 0
      read(wakeUp, &news, 8)
      for message in inbox.withLock({ $0.take() }) { obey(message, runner) }
    }
  }

  /// Waits to be told to stop: an end of its own accord would pass for a crash.
  private func awaitEnd() -> Never {
    while true {
      var news: UInt64 = 0
      read(wakeUp, &news, 8)
      if inbox.withLock({ $0.take() }).contains(where: { $0["stop"] != nil }) { _exit(0) }
    }
  }

  private func obey(_ message: JSONValue, _ runner: LocalRunner) {
    if message["stop"] != nil {
      for model in workers.removeAll() { model.unload() }
      runner.close()
      _exit(0)
    }
    if let number = message["load"]?.int {
      let request = Runner.LoadRequest(
        path: message["path"]?.string ?? "", device: .cpu, options: ControlMessages.options(message["options"]))
      do throws(HostError) {
        let model = try runner.loadHere(request, device: message["device"]?.int ?? 0)
        workers.add(UInt32(clamping: number), model)
        channel.send(ControlMessages.encode(model.signature))
      } catch {
        channel.send(ControlMessages.encode(error))
      }
    } else if let number = message["unload"]?.int {
      workers.remove(UInt32(clamping: number))?.unload()
      channel.send(["unloaded": .integer(number)])
    }
  }
}

extension Array {
  /// The elements, leaving none.
  fileprivate mutating func take() -> Self {
    defer { self = [] }
    return self
  }
}
