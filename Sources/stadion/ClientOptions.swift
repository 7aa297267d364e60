import Glibc
import Inference
import StadionClient
import Wire

/// Options that every verb that talks to a host shares.
enum ClientOptions {
  static let address = [
    CommandSpec.Option(
      "--socket", value: "PATH", help: "The host's Unix socket; else $STADION_SOCKET or the usual places."),
    CommandSpec.Option("--url", value: "URL", help: "http://host:port instead of a socket."),
    key,
  ]
  static let key = CommandSpec.Option(
    "--key", value: "KEY", help: "API key; else $STADION_KEY, which no list of processes shows.")
  static let facts = address + [CommandSpec.Option("--json", help: "Print JSON as the host sent it.")]

  static func client(_ arguments: Arguments, timeout: Duration = .seconds(60)) throws -> StadionClient {
    let key = try key(arguments)
    switch (arguments.value("--socket"), arguments.value("--url")) {
    case (.some, .some): throw UsageError("--socket and --url exclude each other")
    case (let path?, nil): return StadionClient(.unix(path: path), timeout: timeout, key: key)
    case (nil, let url?):
      do { return StadionClient(try HostAddress(url: url), timeout: timeout, key: key) } catch {
        throw UsageError(error.message)
      }
    case (nil, nil): return StadionClient(.standard(), timeout: timeout, key: key)
    }
  }

  /// Nil for none; an empty variable is none.
  static func key(_ arguments: Arguments) throws(UsageError) -> String? {
    let variable = getenv("STADION_KEY").map { String(cString: $0) }
    guard let key = arguments.value("--key") ?? variable, !key.isEmpty else { return nil }
    // Of anything else a server would make another header.
    guard key.utf8.allSatisfy({ (33...126).contains($0) }) else {
      throw UsageError("the API key has characters that no key has; look at --key or $STADION_KEY")
    }
    return key
  }
}

extension JSONValue {
  /// The members as one line of words: `cpu, gpu`; `-` when there are none.
  var words: String {
    let texts = (array ?? []).map { $0.string ?? $0.text }
    return texts.isEmpty ? "-" : texts.joined(separator: ", ")
  }

  /// A scalar as people read it; empty for what is missing or null.
  func text(_ key: String) -> String {
    switch self[key] {
    case nil, .null: ""
    case .string(let text): text
    case .bool(let value): value ? "yes" : "no"
    case let value?: value.text
    }
  }
}
