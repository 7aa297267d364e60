import Inference
import StadionClient
import Testing

@Suite struct `Reading sound` {
  static func wave(_ format: Int, bits: Int, channels: Int = 1, rate: Int = 16_000, _ data: [UInt8]) -> [UInt8] {
    func number(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(value >> (8 * $0) & 255) } }
    let frame = channels * bits / 8
    let fmt =
      number(format, 2) + number(channels, 2) + number(rate, 4) + number(rate * frame, 4) + number(frame, 2)
      + number(bits, 2)
    let odd = Array("LIST".utf8) + number(3, 4) + [1, 2, 3, 0]
    let parts = Array("WAVEfmt ".utf8) + number(16, 4) + fmt + odd + Array("data".utf8) + number(data.count, 4) + data
    return Array("RIFF".utf8) + number(parts.count, 4) + parts
  }

  @Test func `every sample format means the same`() throws {
    #expect(try WaveFile(Self.wave(1, bits: 8, [0, 128, 192])).samples == [-1, 0, 0.5])
    #expect(try WaveFile(Self.wave(1, bits: 16, [0, 0x80, 0, 0, 0, 0x40])).samples == [-1, 0, 0.5])
    #expect(try WaveFile(Self.wave(1, bits: 24, [0, 0, 0x80, 0, 0, 0, 0, 0, 0x40])).samples == [-1, 0, 0.5])
    #expect(try WaveFile(Self.wave(1, bits: 32, [0, 0, 0, 0x80, 0, 0, 0, 0x40])).samples == [-1, 0.5])
    #expect(try WaveFile(Self.wave(3, bits: 32, [0, 0, 0x80, 0xBF, 0, 0, 0, 0x3F])).samples == [-1, 0.5])
  }

  @Test func `mixes channels by their mean`() throws {
    #expect(try WaveFile(Self.wave(1, bits: 8, channels: 2, [0, 128, 192, 192])).samples == [-0.5, 0.5])
  }

  @Test func `names a format it can't read`() {
    let error = #expect(throws: HostError.self) { try WaveFile(Self.wave(6, bits: 8, [0])) }
    #expect(error?.message.contains("WAVE format 6 with 8 bits") == true)
  }

  @Test func `every cut of a file is read or refused`() {
    let whole = Self.wave(1, bits: 16, [1, 2, 3, 4])
    for count in 0..<whole.count { _ = try? WaveFile(Array(whole[..<count])) }
  }

  @Test func `pads with silence and cuts what is too long`() throws {
    let file = Self.wave(1, bits: 8, [192, 192, 192])
    let long = try TensorReader(TensorSpec(name: "x", elementType: .f32, shape: [-1, 5, 1])).read(file: file)
    #expect(
      long.tensor == DenseTensor(name: "x", elementType: .f32, shape: [1, 5, 1], values: [Float(0.5), 0.5, 0.5, 0, 0]))
    #expect(long.note == nil)
    let short = try TensorReader(TensorSpec(name: "x", elementType: .f32, shape: [1, 2])).read(file: file)
    #expect(short.tensor.shape == [1, 2])
    #expect(short.note == "x takes 2 samples; the other 1 of the file are not used")
    let open = try TensorReader(TensorSpec(name: "x", elementType: .f32, shape: [-1, -1])).read(file: file)
    #expect(open.tensor.shape == [1, 3])
  }

  @Test func `refuses another sample rate than the model's`() throws {
    var hints = InputHints()
    hints.sampleRate = 22_050
    let reader = TensorReader(TensorSpec(name: "x", elementType: .f32, shape: [-1]), hints: hints)
    let error = #expect(throws: HostError.self) { try reader.read(file: Self.wave(1, bits: 8, [0])) }
    #expect(error?.message.contains("x wants 22050 samples a second, the file has 16000") == true)
  }
}
