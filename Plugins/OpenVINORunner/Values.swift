import COpenVINO
import Glibc
import RunnerKit

extension ModelTensor {
  /// - Throws: `.invalidArgument` unless type, rank, sizes and byte count are those the model declares.
  func check(_ input: Input) throws(RunnerError) {
    guard input.type == type else {
      let found = input.type.map { "\($0)" } ?? "of an unknown type"
      throw RunnerError(.invalidArgument, "input \(String(cString: name)) is \(found); the model wants \(type)")
    }
    let given = input.shape
    guard let bounds, fits(given, bounds) else {
      throw RunnerError(
        .invalidArgument, "input \(String(cString: name)) has shape \(Array(given)); the model wants \(wanted)")
    }
    guard tensorByteCount(given, elementByteCount: elementByteCount) == input.bytes.count else {
      throw RunnerError(
        .invalidArgument,
        "input \(String(cString: name)) has \(input.bytes.count) bytes; shape \(Array(given)) needs another size")
    }
    try checkIntegers(input)
  }

  private func fits(_ given: UnsafeBufferPointer<Int64>, _ bounds: [ClosedRange<Int64>]) -> Bool {
    guard given.count == bounds.count else { return false }
    for place in bounds.indices where !bounds[place].contains(given[place]) { return false }
    return true
  }

  /// "[-1, 4]", "[1...8, 4]": the shape, with bounds where there are any.
  private var wanted: String {
    let sizes = (bounds ?? []).map { range in
      if range.lowerBound == range.upperBound { return String(range.lowerBound) }
      let isOpen = range.lowerBound <= 1 && range.upperBound == Self.largestDimension
      return isOpen ? "-1" : "\(range.lowerBound)...\(range.upperBound)"
    }
    return "[\(sizes.joined(separator: ", "))]"
  }

  /// The CPU plugin computes all whole numbers in 32 bits with a sign, and drops the rest without a word.
  private func checkIntegers(_ input: Input) throws(RunnerError) {
    let stranger: String? =
      switch type {
      case .i64: first(Int64.self, in: input) { Int64(Int32(truncatingIfNeeded: $0)) != $0 }
      case .u64: first(UInt64.self, in: input) { $0 > UInt64(Int32.max) }
      case .u32: first(UInt32.self, in: input) { $0 > UInt32(Int32.max) }
      default: nil
      }
    guard let stranger else { return }
    throw RunnerError(
      .invalidArgument,
      "input \(String(cString: name)) holds \(stranger), but OpenVINO computes \(type) in 32 bits: only numbers from "
        + "\(type == .i64 ? "\(Int32.min)" : "0") to \(Int32.max) come out right")
  }

  @inline(__always)
  private func first<Number: FixedWidthInteger>(
    _: Number.Type, in input: Input, where isStrange: (Number) -> Bool
  ) -> String? {
    let numbers = input.bytes.bindMemory(to: Number.self)
    // Without a way out of the loop the compiler takes many at once.
    var isAnyStrange = false
    for number in numbers { isAnyStrange = isAnyStrange || isStrange(number) }
    return isAnyStrange ? numbers.first(where: isStrange).map { String($0) } : nil
  }
}

extension Engine {
  /// A tensor over memory of the host's, without a copy.
  func tensor(
    _ type: Int32, _ shape: UnsafeBufferPointer<Int64>, _ bytes: UnsafeRawBufferPointer
  ) throws(RunnerError) -> Handle {
    var none: Int64 = 0
    return try withUnsafeMutablePointer(to: &none) { (none) throws(RunnerError) in
      let dimensions = shape.baseAddress.map { UnsafeMutablePointer(mutating: $0) } ?? none
      let data = bytes.baseAddress.map { UnsafeMutableRawPointer(mutating: $0) } ?? UnsafeMutableRawPointer(none)
      return try api.make {
        api.tensor_create_from_host_ptr(type, ov_shape(rank: Int64(shape.count), dimensions: dimensions), data, $0)
      }
    }
  }

  /// Hands a tensor of the engine's to the host, which copies it.
  func emitCopy(_ tensor: ModelTensor, _ value: Handle, _ request: Request) throws(RunnerError) {
    var found = ov_shape()
    try api.check(api.tensor_get_shape(value, &found))
    defer { _ = api.shape_free(&found) }
    guard found.rank <= 8 else {
      throw RunnerError(
        .unsupported, "output \(String(cString: tensor.name)) has \(found.rank) dimensions; at most 8 are served")
    }
    let shape = UnsafeBufferPointer(start: found.dimensions.map { UnsafePointer($0) }, count: Int(max(found.rank, 0)))
    guard let byteCount = tensorByteCount(shape, elementByteCount: tensor.elementByteCount) else {
      throw RunnerError(.internal, "output \(String(cString: tensor.name)) has the impossible shape \(Array(shape))")
    }
    var data: UnsafeMutableRawPointer?
    try api.check(api.tensor_data(value, &data))
    // An empty tensor may have no memory, but the host wants a pointer.
    var nothing: UInt64 = 0
    try withUnsafeMutableBytes(of: &nothing) { (nothing) throws(RunnerError) in
      let bytes = UnsafeRawBufferPointer(start: data ?? nothing.baseAddress!, count: byteCount)
      try request.emit(tensor.name, tensor.type, shape, data: bytes)
    }
  }
}
