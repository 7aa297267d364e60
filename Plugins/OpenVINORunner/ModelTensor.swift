import COpenVINO
import Glibc
import RunnerKit

/// An input or output of a model, with what a run needs to know of it.
struct ModelTensor: NamedTensor {
  /// Lives as long as the model, which frees it.
  let name: UnsafePointer<CChar>
  let type: ElementType
  /// OpenVINO's number for `type`.
  let nativeType: Int32
  let elementByteCount: Int
  /// Smallest and largest size of each dimension; nil for an output of which not even the rank is known.
  let bounds: [ClosedRange<Int64>]?

  /// Sizes beyond are of no tensor that fits into memory, and strain arithmetic of the engine.
  static let largestDimension = Int64(Int32.max)

  private static func elementType(_ number: Int32) -> ElementType? {
    switch Int(number) {
    case OV_BOOL: .bool
    case OV_BF16: .bf16
    case OV_F16: .f16
    case OV_F32: .f32
    case OV_I8: .i8
    case OV_I16: .i16
    case OV_I32: .i32
    case OV_I64: .i64
    case OV_U8: .u8
    case OV_U16: .u16
    case OV_U32: .u32
    case OV_U64: .u64
    default: nil
    }
  }

  /// - Throws: `.unsupported` for what the engine can't compute exactly or the protocol lacks, or over 8 dimensions.
  init(_ engine: Engine, _ model: Handle, outputs: Bool, index: Int) throws(RunnerError) {
    let api = engine.api
    let port = try api.make {
      (outputs ? api.model_const_output_by_index : api.model_const_input_by_index)(model, index, $0)
    }
    defer { api.output_const_port_free(port) }
    let side = outputs ? "output" : "input"
    var text: UnsafeMutablePointer<CChar>?
    let given = api.port_get_any_name(port, &text) == OV_OK ? api.taken(text) ?? "" : ""
    let name = given.isEmpty ? "\(side)_\(index)" : given
    let what = "\(side) \(name)"

    var number: Int32 = 0
    try api.check(api.port_get_element_type(port, &number))
    guard Int(number) != OV_F64 else {
      throw RunnerError(
        .unsupported, "\(what) is f64, which OpenVINO computes in f32; take f32, or another runner for this model")
    }
    guard Int(number) != OV_STRING else {
      throw RunnerError(
        .unsupported,
        "\(what) is text, which OpenVINO can't be trusted with: it ends the process when the number of texts "
          + "changes from one run to the next; take another runner for this model")
    }
    guard let type = Self.elementType(number), let size = type.byteCount else {
      throw RunnerError(
        .unsupported, "\(what) has elements of OpenVINO's type \(number), which the protocol doesn't have")
    }
    self.type = type
    nativeType = number
    elementByteCount = size
    bounds = try Self.bounds(api, port, what)
    self.name = UnsafePointer(strdup(name))
  }

  private static func bounds(_ api: ov_api, _ port: Handle, _ what: String) throws(RunnerError) -> [ClosedRange<Int64>]?
  {
    var shape = ov_partial_shape()
    try api.check(api.port_get_partial_shape(port, &shape))
    defer { api.partial_shape_free(&shape) }
    guard shape.rank.min == shape.rank.max else { return nil }
    let rank = shape.rank.max
    guard rank <= 8 else { throw RunnerError(.unsupported, "\(what) has \(rank) dimensions; at most 8 can be served") }
    return (0..<Int(max(rank, 0))).map { place in
      guard let size = shape.dimensions?[place] else { return 0...largestDimension }
      let least = min(max(size.min, 0), largestDimension)
      return least...(size.max < 0 ? largestDimension : max(least, min(size.max, largestDimension)))
    }
  }

  /// Sizes of a tensor whose shape is fixed.
  var fixedShape: [Int64]? {
    guard let bounds, bounds.allSatisfy({ $0.lowerBound == $0.upperBound }) else { return nil }
    return bounds.map(\.lowerBound)
  }

  /// -1 where several sizes fit; [-1] without a known rank.
  var shape: [Int64] { bounds?.map { $0.lowerBound == $0.upperBound ? $0.lowerBound : -1 } ?? [-1] }

  var spec: TensorSpec { TensorSpec(name: String(cString: name), type: type, shape: shape) }

  static func list(_ engine: Engine, _ model: Handle, outputs: Bool) throws(RunnerError) -> [ModelTensor] {
    var count = 0
    try engine.api.check((outputs ? engine.api.model_outputs_size : engine.api.model_inputs_size)(model, &count))
    var list: [ModelTensor] = []
    do throws(RunnerError) {
      for index in 0..<count { list.append(try ModelTensor(engine, model, outputs: outputs, index: index)) }
      for (index, tensor) in list.enumerated()
      where list[..<index].contains(where: { strcmp($0.name, tensor.name) == 0 }) {
        throw RunnerError(
          .unsupported, "two \(outputs ? "outputs" : "inputs") are named \(String(cString: tensor.name))")
      }
    } catch {
      free(list)
      throw error
    }
    return list
  }

  static func free(_ list: [ModelTensor]) {
    for tensor in list { Glibc.free(UnsafeMutableRawPointer(mutating: tensor.name)) }
  }
}
