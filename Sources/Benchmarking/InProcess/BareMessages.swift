import Inference
import Running
import StadionClient
import Wire

/// What goes over the channel between a benchmark and a runner without a host.
enum BareMessages {
  // MARK: Samples: the facts in the message, the bytes in a file beside the host's

  static func sample(_ tensors: [DenseTensor], file: String) -> JSONValue {
    let facts = tensors.map { tensor -> JSONValue in
      [
        "name": .string(tensor.name), "datatype": .string(tensor.elementType.protocolName.description),
        "shape": .array(tensor.shape.map { .integer($0) }), "byteCount": .integer(tensor.bytes.count),
      ]
    }
    return ["sample": .string(file), "tensors": .array(facts)]
  }

  static func tensors(_ message: JSONValue) throws(HostError) -> [DenseTensor] {
    let bytes = try FileBytes.read(message["sample"]?.string ?? "")
    var tensors: [DenseTensor] = []
    var position = 0
    for entry in message["tensors"]?.array ?? [] {
      guard let name = entry["name"]?.string, let datatype = entry["datatype"]?.string,
        let type = ElementType(protocolName: datatype), let byteCount = entry["byteCount"]?.int,
        (0...bytes.count - position).contains(byteCount)
      else { throw HostError(.internalError, "a benchmark's own message makes no sense") }
      tensors.append(
        DenseTensor(
          name: name, elementType: type, shape: entry["shape"]?.array?.compactMap { $0.int.map(Int64.init) } ?? [],
          bytes: Array(bytes[position..<position + byteCount])))
      position += byteCount
    }
    return tensors
  }

  // MARK: Windows

  static func encode(_ window: Window) -> JSONValue {
    [
      "answered": .integer(window.answered), "errors": .integer(window.errors), "inTime": .integer(window.inTime),
      "beginNs": .integer(window.beginNs), "lastNs": .integer(window.lastNs),
      "exchanges": .integer(window.exchanges), "exchangesNs": .integer(window.exchangesNs),
      "problem": window.problem.map { .string($0) } ?? .null,
      "latencies": .array(window.latencies.counted.flatMap { [.integer($0.slot), .integer($0.count)] }),
      "shortest": .integer(Int(clamping: window.latencies.minimum)), "longest": .integer(window.latencies.maximum),
    ]
  }

  static func window(_ message: JSONValue) -> Window? {
    func number(_ member: String) -> UInt64? { message[member]?.int.flatMap { UInt64(exactly: $0) } }
    guard let answered = number("answered"), let errors = number("errors"), let inTime = number("inTime"),
      let beginNs = number("beginNs"), let lastNs = number("lastNs"), let exchanges = number("exchanges"),
      let exchangesNs = number("exchangesNs"), let shortest = number("shortest"), let longest = number("longest"),
      let numbers = message["latencies"]?.array?.compactMap(\.int), numbers.count % 2 == 0
    else { return nil }
    var window = Window()
    (window.answered, window.errors, window.inTime) = (answered, errors, inTime)
    (window.beginNs, window.lastNs) = (beginNs, lastNs)
    (window.exchanges, window.exchangesNs) = (exchanges, exchangesNs)
    window.problem = message["problem"]?.string
    let counted = stride(from: 0, to: numbers.count, by: 2).map { (slot: numbers[$0], count: numbers[$0 + 1]) }
    guard let latencies = Histogram(counted, minimum: shortest, maximum: longest) else { return nil }
    window.latencies = latencies
    return window
  }
}
