/// What a runner computes on: an open set of lower-case words (`cpu`, `gpu`, `npu`, `tpu`, `dsp`, or a vendor's own).
package struct DeviceKind: Hashable, Sendable, CustomStringConvertible {
  package let name: String

  package static let cpu = DeviceKind(known: "cpu")
  package static let gpu = DeviceKind(known: "gpu")
  package static let npu = DeviceKind(known: "npu")
  package static let tpu = DeviceKind(known: "tpu")
  package static let dsp = DeviceKind(known: "dsp")

  private init(known name: String) { self.name = name }

  /// Nil unless `name` is 1 to 32 of a-z, 0-9 and '-'.
  package init?(_ name: String) {
    let allowed = name.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
    guard (1...32).contains(name.utf8.count), allowed else { return nil }
    self.name = name
  }

  package var description: String { name }
}
