import Foundation
import Glibc
import Inference
import StadionClient
import Testing
import Wire

@Suite struct `Reading pictures` {
  /// 2 x 2 RGB: red, green, blue, white.
  static let png: [UInt8] = [
    0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0x00, 0x00, 0x00, 0x0D, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x02, 0x08, 0x02, 0x00, 0x00, 0x00, 0xFD, 0xD4, 0x9A,
    0x73, 0x00, 0x00, 0x00, 0x19, 0x49, 0x44, 0x41, 0x54, 0x78, 0x01, 0x01, 0x0E, 0x00, 0xF1, 0xFF,
    0x00, 0xFF, 0x00, 0x00, 0x00, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0x1F, 0xEE,
    0x05, 0xFB, 0xDE, 0xDD, 0xEC, 0x2B, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42,
    0x60, 0x82,
  ]

  /// One transparent black pixel.
  static let transparent: [UInt8] = [
    0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0x00, 0x00, 0x00, 0x0D, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x00, 0x00, 0x1F, 0x15, 0xC4,
    0x89, 0x00, 0x00, 0x00, 0x10, 0x49, 0x44, 0x41, 0x54, 0x78, 0x01, 0x01, 0x05, 0x00, 0xFA, 0xFF,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x00, 0x01, 0x64, 0x78, 0x95, 0x38, 0x00, 0x00, 0x00,
    0x00, 0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60, 0x82,
  ]

  /// 8 x 8 without subsampling: four red columns, four blue ones.
  static let jpeg = Array(
    Data(
      base64Encoded: """
        /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsICQoK\
        CgoKBggLDAsKDAkKCgr/2wBDAQICAgICAgUDAwUKBwYHCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoK\
        CgoKCgoKCgr/wAARCAAIAAgDAREAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUF\
        BAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVW\
        V1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi\
        4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAEC\
        AxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVm\
        Z2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq\
        8vP09fb3+Pn6/9oADAMBAAIRAxEAPwD80f2q/wDmBf8Ab1/7Rr+qP2ZH/NWf9yP/ALuH9qftDv8Ammf+53/3UP/Z
        """)!)

  static let hasTurboJPEG = dlopen("libturbojpeg.so.0", RTLD_LAZY) != nil

  private func read(
    _ file: [UInt8], _ type: ElementType, _ shape: [Int64], _ image: JSONValue? = nil
  ) throws -> DenseTensor {
    let hints = try InputHints(image.map { ["image": $0] }, input: "x")
    return try TensorReader(TensorSpec(name: "x", elementType: type, shape: shape), hints: hints).read(file: file)
      .tensor
  }

  @Test func `a layout decides where the shape leaves a choice`() throws {
    let first = try read(Self.png, .u8, [1, -1, -1, -1], ["layout": "nchw"])
    #expect(first.shape == [1, 3, 2, 2] && first.bytes.prefix(4) == [255, 0, 0, 255])
    // Three rows or three channels: the shape alone is taken for the latter.
    let last = try read(Self.png, .u8, [3, 2, 3], ["layout": "nhwc"])
    #expect(last.shape == [3, 2, 3] && last.bytes.prefix(3) == [255, 0, 0])
    #expect(throws: HostError.self) { try read(Self.png, .u8, [1, 3, 2, 2], ["layout": "nhwc"]) }
    #expect(throws: HostError.self) { try read(Self.png, .u8, [1, 3, 2, 2], ["layout": "chwn"]) }
  }

  @Test func `how a picture became numbers can be told`() throws {
    let image = try JSONValue(parsing: #"{"mean": [0.5], "scale": [2], "order": "bgr"}"#)
    let hints = try InputHints(["image": image], input: "x")
    let tensor = try read(Self.png, .f32, [1, 3, 4, 2], image)
    #expect(
      PictureTensor.note(Self.png, tensor, hints) == "x: pictures at 2 x 4, BGR, NCHW, (sample / 255 - 0.5) * 2.0")
    #expect(PictureTensor.note([1, 2, 3], tensor, hints) == nil)
  }

  @Test func `channels stand last or first as the shape says`() throws {
    let last = try read(Self.png, .u8, [1, -1, -1, 3])
    #expect(
      last
        == DenseTensor(
          name: "x", elementType: .u8, shape: [1, 2, 2, 3], bytes: [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]))
    let first = try read(Self.png, .f32, [-1, 3, 2, 2])
    #expect(
      first
        == DenseTensor(
          name: "x", elementType: .f32, shape: [1, 3, 2, 2], values: [Float(1), 0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1]))
  }

  @Test func `one channel is grey`() throws {
    let tensor = try read(Self.png, .u8, [2, 2, 1])
    #expect(tensor.shape == [2, 2, 1])
    #expect(tensor.bytes[3] == 255)
    #expect(tensor.bytes[1] > tensor.bytes[0] && tensor.bytes[0] > tensor.bytes[2])
  }

  @Test func `transparent becomes white`() throws {
    #expect(try read(Self.transparent, .u8, [1, 1, 3]).bytes == [255, 255, 255])
  }

  @Test func `hints shift, scale and swap`() throws {
    let tensor = try read(
      Self.png, .f32, [1, 3, 2, 2], ["mean": [1, 0, 0], "scale": [.number("2"), 1, .number("0.5")], "order": "bgr"])
    #expect(
      tensor
        == DenseTensor(
          name: "x", elementType: .f32, shape: [1, 3, 2, 2], values: [Float(-2), -2, 0, 0, 0, 1, 0, 1, 0.5, 0, 0, 0.5]))
    #expect(throws: HostError.self) { try read(Self.png, .f32, [1, 3, 2, 2], ["mean": [1, 2]]) }
    #expect(throws: HostError.self) { try InputHints(["image": ["order": "gbr"]], input: "x") }
  }

  @Test func `shrinking averages, growing interpolates`() {
    let grey = Picture(width: 4, height: 1, channels: 1, samples: [0, 0, 200, 200])
    #expect(grey.resized(width: 1, height: 1) == [100])
    #expect(grey.resized(width: 4, height: 1) == [0, 0, 200, 200])
    let two = Picture(width: 2, height: 1, channels: 1, samples: [0, 100])
    #expect(two.resized(width: 4, height: 1) == [0, 25, 75, 100])
  }

  @Test(.enabled(if: hasTurboJPEG, "libturbojpeg0 is not installed"))
  func `JPEG is read`() throws {
    let tensor = try read(Self.jpeg, .u8, [8, 8, 3])
    for (value, wanted) in zip(tensor.bytes[0..<3], [255, 0, 0]) { #expect(abs(Int(value) - wanted) < 12) }
    for (value, wanted) in zip(tensor.bytes[21..<24], [0, 0, 255]) { #expect(abs(Int(value) - wanted) < 12) }
  }

  @Test func `damaged files and shapes that fit no picture are refused`() {
    #expect(throws: HostError.self) { try read(Array(Self.png.prefix(60)), .u8, [2, 2, 3]) }
    #expect(throws: HostError.self) { try read(Array(Self.jpeg.prefix(30)), .u8, [2, 2, 3]) }
    #expect(throws: HostError.self) { try read(Self.png, .u8, [2, 2, 5]) }
    #expect(throws: HostError.self) { try read(Self.png, .u8, [Int64.max, Int64.max, 3]) }
    #expect(throws: HostError.self) { try read(Self.png, .u8, [1, 1 << 26, 3]) }
    #expect(throws: HostError.self) { try read(Self.png, .i64, [2, 2, 3]) }
  }

  @Test func `a BYTES input takes the file as it is`() throws {
    #expect(try read(Self.png, .utf8, [1]).byteElements() == [Self.png])
  }
}
