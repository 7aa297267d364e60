package import CStadionRunner

/// Why a call of the host failed. Goes to the caller as it is: say what, with which values, and what to do.
public struct RunnerError: Error, Sendable, CustomStringConvertible {
  /// What went wrong, in the words of `stadion_code`.
  public enum Code: Int32, Sendable {
    case cancelled = 1, invalidArgument, notFound, unsupported, resourceExhausted, deadlineExceeded
    case failedPrecondition, unavailable, `internal`, incompatibleABI
  }

  public var code: Code
  /// UTF-8; the host sees the first 463 bytes.
  public var message: String
  /// The engine's own number; 0 if there is none.
  public var nativeCode: Int32
  /// Who failed, at most 31 bytes: "onnxruntime". Empty = the runner itself.
  public var source: String

  public init(_ code: Code, _ message: String, nativeCode: Int32 = 0, source: String = "") {
    self.code = code
    self.message = message
    self.nativeCode = nativeCode
    self.source = source
  }

  public var description: String { message }

  /// Fills the host's record; text that doesn't fit is cut at a character boundary.
  package func write(to error: UnsafeMutablePointer<stadion_error>?) -> stadion_code {
    guard let error else { return code.rawValue }
    error.pointee.code = code.rawValue
    error.pointee.native_code = nativeCode
    withUnsafeMutableBytes(of: &error.pointee.source) { copy(source.isEmpty ? "runner" : source, into: $0) }
    withUnsafeMutableBytes(of: &error.pointee.message) { copy(message, into: $0) }
    return code.rawValue
  }

  private func copy(_ text: String, into room: UnsafeMutableRawBufferPointer) {
    var text = text
    text.withUTF8 { utf8 in
      var count = min(utf8.count, room.count - 1)
      // A byte 10xxxxxx continues a character, so a cut in front of one would halve it.
      while count < utf8.count, count > 0, utf8[count] & 0xC0 == 0x80 { count -= 1 }
      room.copyMemory(from: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(utf8)[..<count]))
      room[count] = 0
    }
  }
}
