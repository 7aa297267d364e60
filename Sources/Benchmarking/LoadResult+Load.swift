/// How a request reaches the runner.
package enum Way: String, Sendable, CaseIterable {
  /// Without a host: a call of the runner's own function, in a process that does nothing else.
  case inProcess = "in-process"
  /// The address of the subject, tensors as bytes: the Unix socket of a host of the benchmark's own.
  case host
  /// The same host over TCP, tensors as bytes.
  case tcp
  /// The same host over TCP, tensors as JSON.
  case json = "tcp-json"

  /// Nil where it is what everybody expects.
  var label: String? {
    switch self {
    case .inProcess: "in process"
    case .host: nil
    case .tcp: "TCP"
    case .json: "TCP, JSON"
    }
  }
}

extension LoadResult {
  /// What a runner is put under.
  package struct Load: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
      /// Connections.
      case closed(Int)
      /// Requests a second.
      case open(Double)
    }

    package let kind: Kind
    /// Rows of each request; nil where nobody asked.
    package let batch: Int?
    package let way: Way

    package static func closed(_ connections: Int, batch: Int? = nil, way: Way = .host) -> Load {
      Load(kind: .closed(connections), batch: batch, way: way)
    }

    package static func open(_ rate: Double, batch: Int? = nil) -> Load {
      Load(kind: .open(rate), batch: batch, way: .host)
    }

    package var label: String {
      let kind =
        switch kind {
        case .closed(let count): count == 1 ? "1 connection" : "\(count) connections"
        case .open(let rate): "\(Format.number(rate)) requests/s"
        }
      let asked = way == .inProcess ? [way.label] : [kind, way.label]
      return (asked + [batch.map { "batch \($0)" }]).compactMap { $0 }.joined(separator: ", ")
    }
  }
}
