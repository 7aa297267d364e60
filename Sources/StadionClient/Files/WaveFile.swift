package import Inference

/// RIFF/WAVE sound: PCM of 8, 16, 24 or 32 bits and 32-bit floats.
package struct WaveFile: Sendable, Equatable {
  package let sampleRate: Int
  package let channelCount: Int
  /// Channels mixed to one by their mean, in -1...1.
  package let samples: [Float]

  static func isWave(_ file: [UInt8]) -> Bool {
    file.count >= 12 && file.starts(with: Array("RIFF".utf8)) && file[8..<12].elementsEqual("WAVE".utf8)
  }

  /// - Throws: `HostError` `.invalidRequest` naming the format that was found.
  package init(_ file: [UInt8]) throws(HostError) {
    guard Self.isWave(file) else { throw HostError(.invalidRequest, "no WAVE file") }
    func number(_ offset: Int, _ bytes: Int) -> Int {
      (0..<bytes).reduce(0) { $0 | Int(file[offset + $1]) << (8 * $1) }
    }
    var format: (code: Int, channels: Int, rate: Int, bits: Int)?
    var data: Range<Int>?
    var position = 12
    while file.count - position >= 8, data == nil {
      let start = position + 8
      // A recorder that was interrupted leaves a length that is too large: what is there counts.
      let length = min(number(position + 4, 4), file.count - start)
      let id = String(decoding: file[position..<position + 4], as: UTF8.self)
      if id == "fmt ", length >= 16 {
        var code = number(start, 2)
        if code == 0xFFFE, length >= 26 { code = number(start + 24, 2) }  // extensible: the code leads the sub-format
        format = (code, number(start + 2, 2), number(start + 4, 4), number(start + 14, 2))
      } else if id == "data" {
        data = start..<start + length
      }
      position = start + length + length % 2
      if position > file.count { break }
    }
    guard let format, let data, format.channels > 0 else {
      throw HostError(.invalidRequest, "the WAVE file lacks its fmt or data part")
    }
    let decode: (Int) -> Float
    switch (format.code, format.bits) {
    case (1, 8): decode = { (Float(file[$0]) - 128) / 128 }
    case (1, 16): decode = { Float(Int16(truncatingIfNeeded: number($0, 2))) / 32_768 }
    case (1, 24): decode = { Float(Int32(truncatingIfNeeded: number($0, 3) << 8) >> 8) / 8_388_608 }
    case (1, 32): decode = { Float(Int32(truncatingIfNeeded: number($0, 4))) / 2_147_483_648 }
    case (3, 32): decode = { Float(bitPattern: UInt32(truncatingIfNeeded: number($0, 4))) }
    default:
      throw HostError(
        .invalidRequest,
        "WAVE format \(format.code) with \(format.bits) bits; PCM of 8 to 32 bits (1) and 32-bit floats (3) are read")
    }
    let width = format.bits / 8
    let frames = data.count / (width * format.channels)
    sampleRate = format.rate
    channelCount = format.channels
    samples = (0..<frames).map { frame in
      let start = data.lowerBound + frame * width * format.channels
      let sum = (0..<format.channels).reduce(Float(0)) { $0 + decode(start + $1 * width) }
      return sum / Float(format.channels)
    }
  }

  /// That the rate is the file's own, where the model states none to compare it with; nil for what is no sound.
  package static func note(_ file: [UInt8], _ spec: TensorSpec, _ hints: InputHints) -> String? {
    guard isWave(file), spec.elementType == .f32, hints.sampleRate == nil, let sound = try? WaveFile(file) else {
      return nil
    }
    return "\(spec.name): sound of \(sound.sampleRate) samples a second as it is; the model states no rate"
  }

  /// A tensor of the model's shape: cut or padded with silence where the shape is fixed.
  ///
  /// - Returns: Also what a person should know about it, if anything.
  func tensor(for spec: TensorSpec, sampleRate wanted: Int?) throws(HostError) -> (DenseTensor, note: String?) {
    guard spec.elementType == .f32 else {
      throw HostError(.invalidRequest, "\(spec.name) wants \(spec.elementType.protocolName); sound fits FP32 alone")
    }
    if let wanted, wanted != sampleRate {
      throw HostError(
        .invalidRequest,
        "\(spec.name) wants \(wanted) samples a second, the file has \(sampleRate); "
          + "convert it: ffmpeg -i IN.wav -ar \(wanted) OUT.wav"
      )
    }
    var notes: [String] = []
    if channelCount > 1 { notes.append("\(spec.name): \(channelCount) channels are mixed to one by their mean") }
    var shape = spec.shape
    if shape.count > 1, shape[0] < 0 { shape[0] = 1 }
    guard shape.contains(where: { $0 < 0 }) else {
      guard let count = TensorSize.elementCount(shape), count <= 1 << 28 else {
        throw HostError(.invalidRequest, "\(spec.name): shape \(shape) is too large for sound")
      }
      var fitted = Array(samples.prefix(count))
      fitted += [Float](repeating: 0, count: count - fitted.count)
      if samples.count > count {
        notes.append("\(spec.name) takes \(count) samples; the other \(samples.count - count) of the file are not used")
      }
      return (DenseTensor(name: spec.name, elementType: .f32, shape: shape, values: fitted), Self.note(notes))
    }
    guard let solved = ShapeFit.solve(samples.count, shape) else {
      throw HostError(.invalidRequest, "\(spec.name): \(samples.count) samples don't fit shape \(spec.shape)")
    }
    return (DenseTensor(name: spec.name, elementType: .f32, shape: solved, values: samples), Self.note(notes))
  }

  private static func note(_ notes: [String]) -> String? { notes.isEmpty ? nil : notes.joined(separator: "; ") }
}
