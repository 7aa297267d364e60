import Glibc
import RunnerKit

/// An input or output of a signature, with what a run needs to know of it.
struct ModelTensor: NamedTensor {
  /// Lives as long as the model, which frees it.
  let name: Text
  /// Which of LiteRT's tensors it is: an output may be an input, or another output, under a second name.
  let tensor: LiteRTObject
  /// LiteRT's number of it within the signature; it numbers them as it likes.
  let index: Int
  let type: ElementType
  let elementByteCount: Int
  /// -1 where any size fits.
  let shape: [Int64]
  /// The same for LiteRT.
  let nativeType: NativeType
  /// "0.0039,-128" for scale and zero point; nil for numbers that mean themselves.
  let quantization: String?

  var isDynamic: Bool { shape.contains(-1) }
  var spec: TensorSpec { TensorSpec(name: String(cString: name), type: type, shape: shape) }

  /// - Throws: `.unsupported` for what isn't a dense tensor of a type the protocol has, with at most 8 dimensions.
  init(_ api: LiteRTAPI, _ signature: LiteRTObject, outputs: Bool, index: Int) throws(RunnerError) {
    var text: Text?
    try api.check((outputs ? api.outputName : api.inputName)(signature, index, &text), "name of a tensor")
    guard let text, text.pointee != 0 else {
      throw RunnerError(.invalidArgument, "\(outputs ? "output" : "input") \(index) of the model has no name")
    }
    let what = "\(outputs ? "output" : "input") \(String(cString: text))"
    let tensor = try api.make(what) { (outputs ? api.outputTensor : api.inputTensor)(signature, index, $0) }
    var kind: Int32 = 0
    try api.check(api.tensorKind(tensor, &kind), what)
    guard kind == 0 else {
      throw RunnerError(.unsupported, "\(what) has no rank; only tensors of a known rank can be served")
    }
    var native = NativeType()
    try api.check(withUnsafeMutableBytes(of: &native) { api.tensorType(tensor, $0.baseAddress!) }, what)
    guard let type = NativeType.type(native.elementType), let size = type.byteCount else {
      throw RunnerError(
        .unsupported,
        "\(what) has elements of type \(NativeType.nameOfUnsupported(native.elementType)), which can't be served")
    }
    guard native.rank <= 8 else {
      throw RunnerError(.unsupported, "\(what) has \(native.rank) dimensions; at most 8 can be served")
    }
    self.tensor = tensor
    self.index = index
    self.type = type
    elementByteCount = size
    nativeType = native
    shape = native.shape.map { $0 < 0 ? -1 : $0 }
    quantization = try Self.quantization(api, tensor, what)
    guard let name = strdup(text) else { throw RunnerError(.resourceExhausted, "no memory for a name") }
    self.name = UnsafePointer(name)
  }

  private static func quantization(
    _ api: LiteRTAPI, _ tensor: LiteRTObject, _ what: String
  ) throws(RunnerError) -> String? {
    let perTensor: Int32 = 1
    var kind: Int32 = 0
    try api.check(api.quantizationKind(tensor, &kind), what)
    guard kind == perTensor else { return nil }
    var words: (scale: Float, pad: UInt32, zeroPoint: Int64) = (0, 0, 0)
    try api.check(withUnsafeMutableBytes(of: &words) { api.perTensorQuantization(tensor, $0.baseAddress!) }, what)
    return "\(words.scale),\(words.zeroPoint)"
  }

  /// In byte order of their names, as LiteRT's own order is another one in each build.
  ///
  /// - Throws: Also `.invalidArgument` when two have one name.
  static func list(
    _ api: LiteRTAPI, _ signature: LiteRTObject, outputs: Bool
  ) throws(RunnerError) -> [ModelTensor] {
    var count = 0
    try api.check((outputs ? api.outputCount : api.inputCount)(signature, &count), "number of tensors")
    var list: [ModelTensor] = []
    do throws(RunnerError) {
      for index in 0..<count {
        list.append(try ModelTensor(api, signature, outputs: outputs, index: index))
      }
      list.sort { strcmp($0.name, $1.name) < 0 }
      for (one, next) in zip(list, list.dropFirst()) where strcmp(one.name, next.name) == 0 {
        throw RunnerError(.invalidArgument, "two tensors of the signature are named \(String(cString: one.name))")
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

  /// - Throws: `.invalidArgument` unless type, rank, fixed dimensions and the byte count are those the model declares.
  ///   LiteRT would take anything and answer with what it finds there.
  func check(_ input: Input) throws(RunnerError) {
    guard input.type == type else {
      let found = input.type.map { "\($0)" } ?? "of an unknown type"
      throw RunnerError(.invalidArgument, "input \(String(cString: name)) is \(found); the model wants \(type)")
    }
    let given = input.shape
    var fits = given.count == shape.count
    for place in 0..<min(given.count, shape.count) where shape[place] >= 0 && shape[place] != given[place] {
      fits = false
    }
    guard fits else {
      throw RunnerError(
        .invalidArgument, "input \(String(cString: name)) has shape \(Array(given)); the model wants \(shape)")
    }
    let byteCount = tensorByteCount(given, elementByteCount: elementByteCount)
    guard let byteCount, byteCount == input.bytes.count else {
      throw RunnerError(
        .invalidArgument,
        "input \(String(cString: name)) has \(input.bytes.count) bytes; shape \(Array(given)) needs another size")
    }
    guard byteCount > 0, given.allSatisfy({ $0 <= Int64(Int32.max) }) else {
      throw RunnerError(
        .invalidArgument, "input \(String(cString: name)) has shape \(Array(given)); LiteRT takes 1 to \(Int32.max)")
    }
  }

  /// Bytes of this tensor with `shape`.
  ///
  /// - Throws: `.unsupported` for an open dimension, an empty tensor, or one that no memory holds.
  func byteCount(_ shape: UnsafeBufferPointer<Int64>) throws(RunnerError) -> Int {
    guard let byteCount = tensorByteCount(shape, elementByteCount: elementByteCount), byteCount > 0 else {
      throw RunnerError(.unsupported, "tensor \(String(cString: name)) would have shape \(Array(shape))")
    }
    return byteCount
  }
}
