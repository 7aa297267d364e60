import CNumbers

/// How one element type is read from and printed as JSON numbers.
///
/// Elements in memory are dense, in the machine's byte order, and may be unaligned.
package struct NumberFormat: Sendable {
  /// The word for it in error messages: `a 32-bit float`.
  package let name: StaticString
  /// Bytes of one element in memory.
  package let byteCount: Int
  /// Bytes that one printed element may need, its comma included.
  package let printedRoom: Int

  typealias Read =
    @Sendable @convention(c) (
      UnsafePointer<CChar>?, Int, UnsafeMutablePointer<Int>?, UnsafeMutableRawPointer?, Int, UnsafeMutablePointer<Int>?
    ) -> numbers_result
  typealias Print = @Sendable @convention(c) (UnsafeRawPointer?, Int, UnsafeMutablePointer<CChar>?) -> Int

  let read: Read
  let print: Print

  private init(_ name: StaticString, _ byteCount: Int, room: Int, _ read: @escaping Read, _ print: @escaping Print) {
    self.name = name
    self.byteCount = byteCount
    printedRoom = room
    self.read = read
    self.print = print
  }

  package static let f32 = Self("a 32-bit float", 4, room: NUMBERS_ROOM_F32, numbers_read_f32, numbers_print_f32)
  package static let f64 = Self("a 64-bit float", 8, room: NUMBERS_ROOM_F64, numbers_read_f64, numbers_print_f64)
  package static let i8 = Self("an 8-bit integer", 1, room: NUMBERS_ROOM_8, numbers_read_i8, numbers_print_i8)
  package static let i16 = Self("a 16-bit integer", 2, room: NUMBERS_ROOM_16, numbers_read_i16, numbers_print_i16)
  package static let i32 = Self("a 32-bit integer", 4, room: NUMBERS_ROOM_32, numbers_read_i32, numbers_print_i32)
  package static let i64 = Self("a 64-bit integer", 8, room: NUMBERS_ROOM_64, numbers_read_i64, numbers_print_i64)
  package static let u8 = Self("an unsigned 8-bit integer", 1, room: NUMBERS_ROOM_8, numbers_read_u8, numbers_print_u8)
  package static let u16 = Self(
    "an unsigned 16-bit integer", 2, room: NUMBERS_ROOM_16, numbers_read_u16, numbers_print_u16)
  package static let u32 = Self(
    "an unsigned 32-bit integer", 4, room: NUMBERS_ROOM_32, numbers_read_u32, numbers_print_u32)
  package static let u64 = Self(
    "an unsigned 64-bit integer", 8, room: NUMBERS_ROOM_64, numbers_read_u64, numbers_print_u64)
  /// One byte an element, 0 or 1, as `true` and `false`.
  package static let bool = Self("true or false", 1, room: NUMBERS_ROOM_BOOL, numbers_read_bool, numbers_print_bool)
}
