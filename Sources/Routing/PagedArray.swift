/// An array in pages, whose copy shares all of them but those that change after it.
///
/// A change among n elements costs a copy of n / 128 references and one page, not of all.
struct PagedArray<Element>: RandomAccessCollection, MutableCollection {
  private var pages: [[Element]]
  private let pageShift: Int
  let count: Int

  private static var longestPage: Int { 128 }

  /// - Parameter count: A power of two.
  init(repeating element: Element, count: Int) {
    let pageSize = Swift.min(count, Self.longestPage)
    self.count = count
    pageShift = pageSize.trailingZeroBitCount
    pages = (0..<count / pageSize).map { _ in [Element](repeating: element, count: pageSize) }
  }

  var startIndex: Int { 0 }
  var endIndex: Int { count }

  subscript(index: Int) -> Element {
    @inline(__always) get { pages[index >> pageShift][index & (1 << pageShift - 1)] }
    set { pages[index >> pageShift][index & (1 << pageShift - 1)] = newValue }
  }
}

extension PagedArray {
  /// An element that is a reference, without counting it: that would wait for the object's memory, and all that comes
  /// behind with it.
  @inline(__always)
  func unretained<Object: AnyObject>(_ index: Int) -> Unmanaged<Object>? where Element == Object? {
    pages[index >> pageShift].withUnsafeBytes { page in
      page.load(
        fromByteOffset: (index & (1 << pageShift - 1)) * MemoryLayout<Element>.stride, as: Unmanaged<Object>?.self)
    }
  }
}

extension PagedArray: Sendable where Element: Sendable {}
