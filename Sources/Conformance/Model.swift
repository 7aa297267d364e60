import CStadionRunner
import Glibc
import Inference

/// The subject's model, loaded, with its signature.
final class Model: @unchecked Sendable {
  // @unchecked: set once in `init`.
  static let maxTensors = 4096
  static let maxRank = 8

  struct Tensor {
    let name: UnsafePointer<CChar>
    let spec: TensorSpec
  }

  let library: Library
  let runner: OpaquePointer
  let pointer: OpaquePointer
  let inputs: [Tensor]
  let outputs: [Tensor]
  var report: Report { library.report }

  /// - Throws: `Stop` after a finding.
  init(_ library: Library, runner: OpaquePointer) throws(Report.Stop) {
    self.library = library
    self.runner = runner
    library.report.doing("load")
    let loaded = library.load(runner)
    guard let model = loaded.model else {
      throw library.report.stop(.loadFailed, "code \(loaded.code): \(loaded.message)")
    }
    pointer = model
    inputs = try Self.signature(library, model, outputs: false)
    outputs = try Self.signature(library, model, outputs: true)
  }

  convenience init(_ library: Library) throws(Report.Stop) { try self.init(library, runner: try library.runner()) }

  var maxConcurrentRuns: Int { Int(library.device()?.pointee.max_concurrent_runs ?? 1) }
  var flags: UInt64 { library.device()?.pointee.flags ?? 0 }

  func unload() {
    report.doing("unload")
    library.table.pointee.unload(pointer)
  }

  static func signature(
    _ library: Library, _ model: OpaquePointer, outputs: Bool
  ) throws(Report.Stop) -> [Tensor] {
    let report = library.report
    let side = outputs ? "output" : "input"
    report.doing("signature of \(side)s")
    var tensors: [Tensor] = []
    while let pointer = library.table.pointee.signature(model, outputs, UInt32(tensors.count)) {
      let tensor = pointer.pointee
      let place = "\(side) \(tensors.count)"
      guard tensors.count < maxTensors else { throw report.stop(.signatureEnd, "more than \(maxTensors) \(side)s") }
      guard tensor.struct_size >= UInt32(MemoryLayout<stadion_tensor>.size), tensor.struct_size <= 4096 else {
        throw report.stop(.signatureSize, "\(place) has struct_size \(tensor.struct_size)")
      }
      guard let name = tensor.name, name.pointee != 0 else {
        throw report.stop(.signatureName, "\(place) has \(tensor.name == nil ? "no name" : "an empty name")")
      }
      guard let type = ElementType(dtype: tensor.dtype) else {
        throw report.stop(.signatureType, "\(place) has dtype \(tensor.dtype)")
      }
      guard tensor.rank <= UInt32(maxRank), tensor.rank == 0 || tensor.shape != nil else {
        throw report.stop(
          .signatureShape, "\(place) has rank \(tensor.rank)\(tensor.shape == nil ? " and no shape" : "")")
      }
      let shape = Array(UnsafeBufferPointer(start: tensor.shape, count: Int(tensor.rank)))
      guard shape.allSatisfy({ $0 >= -1 }) else { throw report.stop(.signatureShape, "\(place) has shape \(shape)") }
      let text = String(cString: name)
      // An endless signature repeats its names: that isn't two names alike.
      if tensors.contains(where: { $0.spec.name == text }), !isEndless(library, model, outputs) {
        throw report.stop(.signatureName, "two \(side)s are named \"\(text)\"")
      }
      tensors.append(Tensor(name: name, spec: TensorSpec(name: text, elementType: type, shape: shape)))
    }
    return tensors
  }

  private static func isEndless(_ library: Library, _ model: OpaquePointer, _ outputs: Bool) -> Bool {
    library.table.pointee.signature(model, outputs, UInt32(maxTensors)) != nil
  }
}
