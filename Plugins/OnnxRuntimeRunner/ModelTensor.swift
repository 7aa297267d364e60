import Glibc
import RunnerKit

/// An input or output of a session, with what a run needs to know of it.
struct ModelTensor: NamedTensor {
  /// Lives as long as the model, which frees it.
  let name: Text
  let type: ElementType
  /// ONNX Runtime's number for `type`.
  let nativeType: Int32
  /// -1 where any size fits.
  let shape: [Int64]
  /// The model's names of the dimensions, "" where it has none.
  let dimensionNames: [String]
  /// False when the model doesn't even tell the rank; `shape` is then [-1].
  let hasRank: Bool

  /// Elements have numbers of their own in ONNX Runtime; those without a case here aren't in the protocol.
  private static func elementType(_ number: Int32) -> ElementType? {
    switch number {
    case 1: .f32
    case 2: .u8
    case 3: .i8
    case 4: .u16
    case 5: .i16
    case 6: .i32
    case 7: .i64
    case 8: .utf8
    case 9: .bool
    case 10: .f16
    case 11: .f64
    case 12: .u32
    case 13: .u64
    case 16: .bf16
    default: nil
    }
  }

  private static func nameOfUnsupported(_ number: Int32) -> String {
    switch number {
    case 14: "complex64"
    case 15: "complex128"
    case 17...20: "float8"
    case 21: "uint4"
    case 22: "int4"
    case 23: "float4"
    case 24: "uint2"
    case 25: "int2"
    case 26: "float8e8m0"
    default: "number \(number)"
    }
  }

  /// - Throws: `.unsupported` for what isn't a dense tensor of a type the protocol has, with at most 8 dimensions.
  init(_ engine: Engine, session: OrtObject, outputs: Bool, index: Int) throws(RunnerError) {
    let api = engine.api
    var text: Text?
    try api.check((outputs ? api.outputName : api.inputName)(session, index, engine.allocator, &text))
    let name = text.map { String(cString: $0) } ?? ""
    if let text { _ = api.allocatorFree(engine.allocator, UnsafeMutableRawPointer(mutating: text)) }
    let what = "\(outputs ? "output" : "input") \(name)"

    let info = try api.make { (outputs ? api.outputType : api.inputType)(session, index, $0) }
    defer { api.releaseTypeInfo(info) }
    var kind: Int32 = 0
    try api.check(api.onnxType(info, &kind))
    var tensor: OrtObject?
    try api.check(api.tensorInfo(info, &tensor))
    guard let tensor, kind == 1 else {
      let kinds = ["unknown", "tensor", "sequence", "map", "opaque", "sparse tensor", "optional"]
      let found = kinds.indices.contains(Int(kind)) ? kinds[Int(kind)] : "number \(kind)"
      throw RunnerError(.unsupported, "\(what) is of kind \(found); only tensors can be served")
    }

    var number: Int32 = 0
    try api.check(api.elementType(tensor, &number))
    guard let type = Self.elementType(number) else {
      throw RunnerError(
        .unsupported, "\(what) has elements of type \(Self.nameOfUnsupported(number)), which the protocol doesn't have")
    }
    var rank = 0
    var elementCount = 0
    try api.check(api.rank(tensor, &rank))
    guard rank <= 8 else { throw RunnerError(.unsupported, "\(what) has \(rank) dimensions; at most 8 can be served") }
    // A scalar holds one element; where no shape is declared the engine says rank 0 and no element.
    hasRank =
      rank > 0 || (api.elementCount(tensor, &elementCount).map { api.releaseStatus($0) } == nil && elementCount == 1)
    var sizes = [Int64](repeating: -1, count: 8)
    var symbols = [Text?](repeating: nil, count: 8)
    try api.check(api.dimensions(tensor, &sizes, rank))
    try api.check(api.symbolicDimensions(tensor, &symbols, rank))

    self.type = type
    nativeType = number
    shape = hasRank ? sizes[..<rank].map { $0 < 0 ? -1 : $0 } : [-1]
    dimensionNames = hasRank ? symbols[..<rank].map { $0.map { String(cString: $0) } ?? "" } : [""]
    self.name = UnsafePointer(strdup(name))
  }

  var spec: TensorSpec { TensorSpec(name: String(cString: name), type: type, shape: shape) }

  /// "batch,4", "?" for a dimension without a name; nil when there is no name to tell.
  var namedShape: String? {
    guard hasRank else { return "..." }
    guard dimensionNames.contains(where: { !$0.isEmpty }) else { return nil }
    return zip(shape, dimensionNames).map { $0 >= 0 ? String($0) : $1.isEmpty ? "?" : $1 }.joined(separator: ",")
  }

  static func list(_ engine: Engine, _ session: OrtObject, outputs: Bool) throws(RunnerError) -> [ModelTensor] {
    var count = 0
    try engine.api.check((outputs ? engine.api.outputCount : engine.api.inputCount)(session, &count))
    var list: [ModelTensor] = []
    do throws(RunnerError) {
      for index in 0..<count {
        list.append(try ModelTensor(engine, session: session, outputs: outputs, index: index))
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
