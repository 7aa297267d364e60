import CStadionRunner

/// Swift text as the contract's views, for the time of a call.
enum CText {
  static func withText<R>(_ text: String, _ body: (stadion_text) -> R) -> R {
    var text = text
    return text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) { body(stadion_text(data: $0.baseAddress, size: $0.count)) }
    }
  }

  static func withOptions<R>(_ options: [String: String], _ body: (UnsafePointer<stadion_option>?, Int) -> R) -> R {
    let (list, texts) = makeOptions(options)
    defer { for text in texts { text.deallocate() } }
    return list.withUnsafeBufferPointer { body($0.baseAddress, $0.count) }
  }

  /// The options in C, for the rest of the process.
  static func optionsForever(_ options: [String: String]) -> UnsafeBufferPointer<stadion_option> {
    let list = UnsafeMutableBufferPointer<stadion_option>.allocate(capacity: options.count)
    _ = list.initialize(from: makeOptions(options).list)
    return UnsafeBufferPointer(list)
  }

  private static func makeOptions(
    _ options: [String: String]
  ) -> (list: [stadion_option], texts: [UnsafeMutablePointer<CChar>]) {
    // By key, so that a runner sees the same order every time.
    let pairs = options.sorted { $0.key < $1.key }
    let bytes = pairs.map { Array($0.key.utf8) + Array($0.value.utf8) }
    let texts: [UnsafeMutablePointer<CChar>] = bytes.map { text in
      let memory = UnsafeMutablePointer<CChar>.allocate(capacity: max(text.count, 1))
      for (index, byte) in text.enumerated() { memory[index] = CChar(bitPattern: byte) }
      return memory
    }
    let list = zip(pairs, texts).map { pair, text in
      let keySize = pair.key.utf8.count
      return stadion_option(
        key: stadion_text(data: text, size: keySize),
        value: stadion_text(data: text + keySize, size: pair.value.utf8.count))
    }
    return (list, texts)
  }
}
