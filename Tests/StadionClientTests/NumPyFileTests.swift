import Inference
import StadionClient
import Testing

@Suite struct `Reading npy files` {
  private func file(_ header: String, _ data: [UInt8], major: UInt8 = 1) -> [UInt8] {
    let length = major == 1 ? [UInt8(header.utf8.count), 0] : [UInt8(header.utf8.count), 0, 0, 0]
    return [0x93] + Array("NUMPY".utf8) + [major, 0] + length + Array(header.utf8) + data
  }

  @Test(arguments: ElementType.allCases.filter { $0 != .utf8 })
  func `what is written reads back`(type: ElementType) throws {
    for shape: [Int64] in [[], [3], [2, 3], [0, 4]] {
      let count = try #require(TensorSize.byteCount(type, shape))
      let tensor = DenseTensor(name: "", elementType: type, shape: shape, bytes: (0..<count).map { UInt8($0 & 1) })
      let written = try NumPyFile.write(tensor)
      #expect((written.count - count) % 64 == 0)
      #expect(try NumPyFile.read(written, wanted: type) == tensor)
    }
  }

  @Test func `format 2 and the spelling of other writers`() throws {
    let read = try NumPyFile.read(file(#"{"shape":(2,),"fortran_order":False,"descr":"|i1"}"#, [1, 255], major: 2))
    #expect(read == DenseTensor(name: "", elementType: .i8, shape: [2], values: [Int8(1), -1]))
  }

  @Test func `strings lose their padding`() throws {
    let header = "{'descr': '|S3', 'fortran_order': False, 'shape': (2,), }"
    #expect(
      try NumPyFile.read(file(header, Array("ab\0xyz".utf8))).byteElements() == [Array("ab".utf8), Array("xyz".utf8)])
    let unicode = "{'descr': '<U2', 'fortran_order': False, 'shape': (1,), }"
    #expect(try NumPyFile.read(file(unicode, [0xE9, 0, 0, 0, 0, 0, 0, 0])).byteElements() == [Array("é".utf8)])
  }

  @Test(arguments: [
    ("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", "big-endian"),
    ("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }", "ascontiguousarray"),
    ("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "Python objects"),
    ("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "<c8 has no tensor type"),
    ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "structured"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "disagree"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9), }", "impossible"),
    ("{'descr': '<S9223372036854775807', 'fortran_order': False, 'shape': (9,), }", "disagree"),
    ("{'descr': '<f4'}", "lacks"), ("", "lacks"),
  ]) func `says why a file is no use`(header: String, reason: String) {
    let error = #expect(throws: HostError.self) { try NumPyFile.read(file(header, [0, 0, 0, 0])) }
    #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
  }

  @Test func `every cut of a file is refused`() throws {
    let whole = try NumPyFile.write(DenseTensor(name: "", elementType: .u8, shape: [2], bytes: [1, 2]))
    for count in 0..<whole.count { #expect(throws: HostError.self) { try NumPyFile.read(Array(whole[..<count])) } }
  }
}
