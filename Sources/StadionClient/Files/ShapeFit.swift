/// Fits what a file holds to the shape that a model declares, where -1 stands for any size.
package enum ShapeFit {
  /// The shape for `count` elements in row-major order; nil if none fits.
  ///
  /// The innermost -1 takes what the fixed dimensions leave; every other -1 becomes 1.
  package static func solve(_ count: Int, _ declared: [Int64]) -> [Int64]? {
    var shape = declared
    guard let open = declared.lastIndex(where: { $0 < 0 }) else { return product(declared) == count ? declared : nil }
    for index in shape.indices where shape[index] < 0 { shape[index] = 1 }
    guard let fixed = product(shape) else { return nil }
    if fixed == 0 { return count == 0 ? shape : nil }
    guard count % fixed == 0 else { return nil }
    shape[open] = Int64(count / fixed)
    return shape
  }

  /// The shape for data that has one of its own: as it is, with a batch dimension of 1 in front, or flat data solved.
  package static func match(_ shape: [Int64], _ declared: [Int64]) -> [Int64]? {
    if agrees(shape, declared) { return shape }
    if let batch = declared.first, batch == -1 || batch == 1, agrees([1] + shape, declared) { return [1] + shape }
    guard shape.count <= 1 || shape.allSatisfy({ $0 == 1 }), let count = product(shape) else { return nil }
    return solve(count, declared)
  }

  private static func agrees(_ shape: [Int64], _ declared: [Int64]) -> Bool {
    shape.count == declared.count && zip(shape, declared).allSatisfy { $1 < 0 || $0 == $1 }
  }

  /// Nil on overflow and for negative sizes.
  private static func product(_ shape: [Int64]) -> Int? {
    var result = 1
    for size in shape {
      guard size >= 0 else { return nil }
      let (next, overflow) = result.multipliedReportingOverflow(by: Int(size))
      guard !overflow else { return nil }
      result = next
    }
    return result
  }
}
