/// An array in pages, whose copy shares all of them but those that change after it.
///
/// A change among n elements costs a copy of n / 64 references and one page, not of all.
struct PagedArray<Element> {
  private final class Page {
    let start: UnsafeMutablePointer<Element>
    let count: Int

    init(_ count: Int, _ initialize: (UnsafeMutablePointer<Element>) -> Void) {
      // At the start of a cache line, as is then each element that is some lines long.
      start = UnsafeMutableRawPointer.allocate(
        byteCount: count * MemoryLayout<Element>.stride, alignment: Swift.max(64, MemoryLayout<Element>.alignment)
      ).bindMemory(to: Element.self, capacity: count)
      self.count = count
      initialize(start)
    }

    deinit {
      start.deinitialize(count: count)
      start.deallocate()
    }

    func copy() -> Page { Page(count) { $0.initialize(from: start, count: count) } }
  }

  private var pages: [Page]
  /// Of the pages, so that the way to an element doesn't lead over an object.
  private var starts: [UnsafeMutablePointer<Element>]
  private let pageShift: Int
  let count: Int

  private static var longestPage: Int { 64 }

  /// - Parameter count: A power of two.
  init(repeating element: Element, count: Int) {
    let pageSize = Swift.min(count, Self.longestPage)
    self.count = count
    pageShift = pageSize.trailingZeroBitCount
    pages = (0..<count / pageSize).map { _ in Page(pageSize) { $0.initialize(repeating: element, count: pageSize) } }
    starts = pages.map(\.start)
  }

  /// - Returns: Where an element is for as long as this array lives and isn't changed.
  @inline(__always)
  func pointer(to index: Int) -> UnsafePointer<Element> {
    UnsafePointer(starts[index >> pageShift] + (index & (1 << pageShift - 1)))
  }
}

extension PagedArray: RandomAccessCollection, MutableCollection {
  var startIndex: Int { 0 }
  var endIndex: Int { count }

  subscript(index: Int) -> Element {
    @inline(__always) get { pointer(to: index).pointee }
    set {
      let page = index >> pageShift
      if !isKnownUniquelyReferenced(&pages[page]) {
        pages[page] = pages[page].copy()
        starts[page] = pages[page].start
      }
      starts[page][index & (1 << pageShift - 1)] = newValue
    }
  }
}

// @unchecked: whoever changes a page is the only one who has it.
extension PagedArray: @unchecked Sendable where Element: Sendable {}
