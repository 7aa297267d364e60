import Configuration
import Glibc
import Serving
import StadionClient
import Telemetry
import Wire

/// The configuration of a running host: read at its start and at each SIGHUP. Used on the main thread only.
final class LiveConfiguration {
  private(set) var configuration: Configuration<HostSettings>
  private let places: Configuration<HostSettings>.Places
  private var listeners: [(HostSettings) -> Void] = []

  init(places: Configuration<HostSettings>.Places) throws(ConfigurationError) {
    self.places = places
    configuration = try Self.read(places)
  }

  private static func read(_ places: Configuration<HostSettings>.Places) throws(ConfigurationError)
    -> Configuration<HostSettings>
  {
    try Configuration(HostSettings.all, standard: HostSettings(), from: places)
  }

  var settings: HostSettings { configuration.settings }
  var hasFile: Bool { places.file != nil }

  /// Calls `body` after each reload, with everything that is set then.
  func whenChanged(_ body: @escaping (HostSettings) -> Void) { listeners.append(body) }

  /// What concerns the whole process. Before any thread starts, and after each reload.
  func apply() {
    Log.level = Log.Level(name: settings.logLevel) ?? .info
    raiseFileLimit()
    for remark in configuration.remarks { Log.warning("a variable is not read", ("reason", remark)) }
  }

  /// Reads it all again and takes over what can change. Where anything is wrong, nothing changes.
  ///
  /// - Returns: What has changed.
  func reload() -> [Configuration<HostSettings>.Change] {
    let next: Configuration<HostSettings>
    do throws(ConfigurationError) { next = try Self.read(places) } catch {
      for problem in error.problems { Log.error("the configuration is as it was", ("reason", problem)) }
      return []
    }
    let changes = configuration.adopt(next)
    apply()
    for listener in listeners { listener(settings) }
    for change in changes.waiting {
      Log.warning("needs a restart", ("key", change.key), ("is", change.old), ("wanted", change.new))
    }
    for change in changes.made {
      Log.info("changed", ("key", change.key), ("from", change.old), ("to", change.new))
    }
    Log.info("read the configuration again", ("changes", String(changes.made.count)))
    return changes.made
  }

  /// Each connection is a descriptor; a few more are for models and runners.
  private func raiseFileLimit() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    let wanted = min(rlim_t(settings.limits.connections + 256), limit.rlim_max)
    guard limit.rlim_cur < wanted else { return }
    limit.rlim_cur = wanted
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }

  func print(asJSON: Bool) {
    if asJSON { return Swift.print(configuration.json.text) }
    var table = Table(["KEY", "VALUE", "FROM"])
    for row in configuration.rows { table.add(row.path, row.value, row.origin) }
    Swift.print(table.text)
  }
}
