import Testing

@testable import Routing

@Suite struct `An array in pages` {
  @Test(arguments: [1, 8, 128, 1024]) func `holds what was put in`(count: Int) {
    var array = PagedArray(repeating: 0, count: count)
    for index in 0..<count { array[index] = index }
    #expect(Array(array) == Array(0..<count))
  }

  @Test func `leaves its copies alone`() {
    let old = PagedArray(repeating: 0, count: 1024)
    var new = old
    new[700] = 1
    #expect(old.allSatisfy { $0 == 0 })
    #expect(new.indices.filter { new[$0] != 0 } == [700])
  }
}
