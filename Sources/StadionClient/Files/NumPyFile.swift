package import Inference

/// NumPy's `.npy` files: format 1 to 3, little-endian, C order.
package enum NumPyFile {
  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// - Parameter wanted: Decides only what NumPy has no name for: two-byte void elements are read as BF16.
  /// - Returns: A tensor without a name, in the file's own shape and type.
  /// - Throws: `HostError` `.invalidRequest` saying how to write a file that can be read.
  package static func read(_ file: [UInt8], wanted: ElementType? = nil) throws(HostError) -> DenseTensor {
    guard file.starts(with: magic), file.count >= 10 else { throw HostError(.invalidRequest, "no npy file") }
    let major = file[6]
    guard (1...3).contains(major) else { throw HostError(.invalidRequest, "npy format \(major) is unknown") }
    let lengthBytes = major == 1 ? 2 : 4
    let start = 8 + lengthBytes
    guard file.count >= start else { throw HostError(.invalidRequest, "the npy header is cut off") }
    let length = (0..<lengthBytes).reduce(0) { $0 | Int(file[8 + $1]) << (8 * $1) }
    guard length <= file.count - start else {
      throw HostError(.invalidRequest, "npy header of \(length) bytes in a file of \(file.count)")
    }
    let header = String(decoding: file[start..<start + length], as: UTF8.self)
    guard let type = text(in: header, behind: "descr"), let order = word(in: header, behind: "fortran_order"),
      let shape = shape(in: header)
    else { throw HostError(.invalidRequest, "the npy header lacks descr, fortran_order or shape") }
    guard order == "False" || shape.count < 2 else {
      throw HostError(.invalidRequest, "the npy file is in Fortran order; save numpy.ascontiguousarray(array)")
    }
    guard let count = TensorSize.elementCount(shape) else {
      throw HostError(.invalidRequest, "the npy shape \(shape) is impossible")
    }
    let data = file[(start + length)...]
    let size = Int(type.drop { !("0"..."9").contains($0) }) ?? 0
    if let kind = type.dropFirst().first, kind == "S" || kind == "U" {
      guard !type.hasPrefix(">") else { throw bigEndian(type) }
      return try strings(data, count: count, shape, size: size, isUCS4: kind == "U")
    }
    let elementType = try elementType(type, wanted)
    guard let byteCount = TensorSize.byteCount(elementType, shape), byteCount == data.count else {
      throw HostError(.invalidRequest, "npy shape \(shape) of \(type) and \(data.count) bytes of data disagree")
    }
    return DenseTensor(name: "", elementType: elementType, shape: shape, bytes: Array(data))
  }

  private static func bigEndian(_ type: String) -> HostError {
    HostError(.invalidRequest, "npy type \(type) is big-endian; save array.astype(array.dtype.newbyteorder('<'))")
  }

  private static func elementType(_ type: String, _ wanted: ElementType?) throws(HostError) -> ElementType {
    if type == "<V2" || type == "|V2", wanted == .bf16 { return .bf16 }
    if type.hasSuffix("O") || type == "|O" {
      throw HostError(.invalidRequest, "the npy file holds Python objects; save strings as array.astype('S')")
    }
    let kind = String(type.dropFirst())
    guard let match = names.first(where: { $0.name.dropFirst() == kind }) else {
      throw HostError(.invalidRequest, "npy type \(type) has no tensor type; convert it, for example to '<f4'")
    }
    guard !type.hasPrefix(">") || match.type.byteCount == 1 else { throw bigEndian(type) }
    return match.type
  }

  private static let names: [(type: ElementType, name: String)] = [
    (.f32, "<f4"), (.f16, "<f2"), (.f64, "<f8"), (.i8, "|i1"), (.i16, "<i2"), (.i32, "<i4"), (.i64, "<i8"),
    (.u8, "|u1"), (.u16, "<u2"), (.u32, "<u4"), (.u64, "<u8"), (.bool, "|b1"), (.bf16, "<V2"),
  ]

  /// Fixed-size strings, padded with NUL.
  private static func strings(
    _ data: ArraySlice<UInt8>, count: Int, _ shape: [Int64], size: Int, isUCS4: Bool
  ) throws(HostError) -> DenseTensor {
    let (width, tooWide) = size.multipliedReportingOverflow(by: isUCS4 ? 4 : 1)
    let (total, tooMany) = width.multipliedReportingOverflow(by: count)
    guard !tooWide, !tooMany, total == data.count, width > 0 || count < 1 << 24 else {
      throw HostError(.invalidRequest, "npy shape \(shape) of \(size) characters and \(data.count) bytes disagree")
    }
    let elements = (0..<count).map { index -> [UInt8] in
      let cell = Array(data[(data.startIndex + index * width)..<(data.startIndex + (index + 1) * width)])
      guard isUCS4 else { return Array(cell[..<(cell.lastIndex { $0 != 0 }.map { $0 + 1 } ?? 0)]) }
      var text = ""
      for offset in stride(from: 0, to: cell.count, by: 4) {
        let code = (0..<4).reduce(UInt32(0)) { $0 | UInt32(cell[offset + $1]) << (8 * UInt32($1)) }
        if code == 0 { break }
        text.unicodeScalars.append(Unicode.Scalar(code) ?? "\u{FFFD}")
      }
      return Array(text.utf8)
    }
    return DenseTensor(name: "", shape: shape, elements: elements)
  }

  /// What stands behind `'key':` in the header, which is a Python dictionary.
  private static func rest(of header: String, behind key: String) -> Substring? {
    for quote in ["'", "\""] {
      let name = Array("\(quote)\(key)\(quote)")
      let characters = Array(header)
      guard characters.count > name.count else { continue }
      for start in 0..<(characters.count - name.count) where Array(characters[start..<start + name.count]) == name {
        let tail = header.dropFirst(start + name.count).drop { $0 == " " || $0 == ":" }
        return tail
      }
    }
    return nil
  }

  private static func text(in header: String, behind key: String) -> String? {
    guard let rest = rest(of: header, behind: key), let quote = rest.first, quote == "'" || quote == "\"" else {
      // A list means a structured type: named, so that the error can show it.
      return rest(of: header, behind: key)?.first == "[" ? "structured" : nil
    }
    return String(rest.dropFirst().prefix { $0 != quote })
  }

  private static func word(in header: String, behind key: String) -> String? {
    rest(of: header, behind: key).map { String($0.prefix { $0.isLetter }) }
  }

  private static func shape(in header: String) -> [Int64]? {
    guard let rest = rest(of: header, behind: "shape"), rest.first == "(" else { return nil }
    var shape: [Int64] = []
    for part in rest.dropFirst().prefix(while: { $0 != ")" }).split(separator: ",") {
      let digits = part.filter { $0 != " " && $0 != "L" }
      if digits.isEmpty { continue }
      guard let size = Int64(digits), size >= 0 else { return nil }
      shape.append(size)
    }
    return shape
  }

  /// A format 1 file. BF16 becomes two-byte void: `array.view(ml_dtypes.bfloat16)` reads it.
  ///
  /// - Throws: `HostError` `.unsupported` for BYTES: NumPy would pickle them.
  package static func write(_ tensor: DenseTensor) throws(HostError) -> [UInt8] {
    guard let name = names.first(where: { $0.type == tensor.elementType })?.name else {
      throw HostError(.unsupported, "\(tensor.name): npy has no type for \(tensor.elementType.protocolName)")
    }
    let sizes = tensor.shape.map(String.init).joined(separator: ", ") + (tensor.shape.count == 1 ? "," : "")
    var header = "{'descr': '\(name)', 'fortran_order': False, 'shape': (\(sizes)), }"
    // The data starts at a multiple of 64 bytes, the header ends with a line feed.
    header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
    let length = header.utf8.count
    return magic + [1, 0, UInt8(length & 255), UInt8(length >> 8 & 255)] + Array(header.utf8) + tensor.bytes
  }
}
