/// A mark that is put into outputs before a run: where it still stands afterwards, LiteRT has written nothing. It says
/// that such a run went well; it happens to outputs whose shape is only known during the run.
struct Unwritten {
  /// Of this model, so that no input can make it produce it.
  private let mark: UInt64

  init() {
    var random = SystemRandomNumberGenerator()
    mark = random.next()
  }

  /// Outputs of less than 8 bytes stay as they are: theirs might be an answer.
  func mark(_ output: UnsafeMutableRawBufferPointer) {
    if output.count >= 8 { output.storeBytes(of: mark, as: UInt64.self) }
  }

  func isMarked(_ output: UnsafeMutableRawBufferPointer) -> Bool {
    output.count >= 8 && output.load(as: UInt64.self) == mark
  }
}
