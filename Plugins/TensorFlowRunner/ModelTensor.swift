import CTensorFlow
import Glibc
import RunnerKit

/// An input or output of a signature, with what a run needs to know of it.
struct ModelTensor: NamedTensor {
  /// Lives as long as the model, which frees it.
  let name: Text
  let type: ElementType
  /// TensorFlow's number for `type`.
  let nativeType: Int32
  /// -1 where any size fits.
  let shape: [Int64]
  /// False when the model doesn't even tell the rank; `shape` is then [-1].
  let hasRank: Bool
  /// Where it is in the graph.
  let place: tf_output

  var spec: TensorSpec { TensorSpec(name: String(cString: name), type: type, shape: shape) }

  /// - Parameter what: "input x", for messages.
  /// - Throws: `.unsupported` for what isn't a dense tensor of a type the protocol has, with at most 8 dimensions;
  ///   `.invalidArgument` where the signature doesn't fit its graph.
  init(_ api: TensorFlowAPI, _ graph: TFObject, key: String, _ info: TensorInfo, _ what: String) throws(RunnerError) {
    guard !key.isEmpty, !key.utf8.contains(0) else {
      throw RunnerError(.invalidArgument, "the signature has an \(what) whose name is empty or has a zero byte")
    }
    guard !info.tensorName.isEmpty else {
      throw RunnerError(.unsupported, "\(what) is not one dense tensor (sparse or composite); only those can be served")
    }
    guard let type = elementType(info.dataType) else {
      throw RunnerError(
        .unsupported,
        "\(what) has elements of type \(nameOfUnsupported(info.dataType)), which the protocol doesn't have")
    }
    if let shape = info.shape, shape.count > 8 {
      throw RunnerError(.unsupported, "\(what) has \(shape.count) dimensions; at most 8 can be served")
    }
    guard let place = find(api, graph, info.tensorName) else {
      throw RunnerError(.invalidArgument, "\(what) is \(info.tensorName) in the graph, which has no such tensor")
    }
    // A reference to a variable of TensorFlow 1 is numbered 100 higher.
    let found = api.outputType(place) % 100
    guard found == info.dataType else {
      throw RunnerError(
        .invalidArgument,
        "\(what) is \(type) in the signature, but \(elementType(found).map { "\($0)" } ?? nameOfUnsupported(found)) "
          + "in the graph")
    }
    self.type = type
    nativeType = info.dataType
    hasRank = info.shape != nil
    shape = info.shape ?? [-1]
    self.place = place
    name = UnsafePointer(strdup(key))
  }

  static func list(
    _ api: TensorFlowAPI, _ graph: TFObject, _ entries: [(key: String, info: TensorInfo)], outputs: Bool
  ) throws(RunnerError) -> [ModelTensor] {
    var list: [ModelTensor] = []
    do throws(RunnerError) {
      for (key, info) in entries {
        list.append(try ModelTensor(api, graph, key: key, info, "\(outputs ? "output" : "input") \(key)"))
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

/// The tensor "operation:index"; nil if the graph has none, as nothing after this asks again.
private func find(_ api: TensorFlowAPI, _ graph: TFObject, _ name: String) -> tf_output? {
  var operation = Substring(name)
  var index: Int32 = 0
  if let colon = name.lastIndex(of: ":") {
    guard let number = Int32(name[name.index(after: colon)...]), number >= 0 else { return nil }
    index = number
    operation = name[..<colon]
  }
  guard let found = api.operation(graph, String(operation)), index < api.outputCount(found) else { return nil }
  return tf_output(operation: UnsafeMutableRawPointer(found), index: index)
}

/// Elements have numbers of their own in TensorFlow; those without a case here aren't in the protocol.
private func elementType(_ number: Int32) -> ElementType? {
  switch number {
  case 1: .f32
  case 2: .f64
  case 3: .i32
  case 4: .u8
  case 5: .i16
  case 6: .i8
  case 7: .utf8
  case 9: .i64
  case 10: .bool
  case 14: .bf16
  case 17: .u16
  case 19: .f16
  case 22: .u32
  case 23: .u64
  default: nil
  }
}

private func nameOfUnsupported(_ number: Int32) -> String {
  switch number {
  case 8: "complex64"
  case 18: "complex128"
  case 11: "qint8"
  case 12: "quint8"
  case 13: "qint32"
  case 15: "qint16"
  case 16: "quint16"
  case 20: "resource"
  case 21: "variant"
  case 24: "float8_e5m2"
  case 25: "float8_e4m3fn"
  case 29: "int4"
  case 30: "uint4"
  default: "number \(number)"
  }
}
