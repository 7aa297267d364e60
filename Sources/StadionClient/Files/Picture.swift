import CImages
package import Inference

/// A decoded PNG or JPEG: 8-bit samples, row-major, channels together.
package struct Picture: Sendable, Equatable {
  package let width: Int
  package let height: Int
  /// 1 (grey) or 3 (RGB).
  package let channels: Int
  package let samples: [UInt8]

  private static let maxPixels: UInt64 = 1 << 26  // 64 megapixels: 192 MB of samples

  package init(width: Int, height: Int, channels: Int, samples: [UInt8]) {
    precondition(samples.count == width * height * channels)
    self.width = width
    self.height = height
    self.channels = channels
    self.samples = samples
  }

  static func isPNG(_ file: [UInt8]) -> Bool { file.starts(with: [0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10]) }
  static func isJPEG(_ file: [UInt8]) -> Bool { file.starts(with: [0xFF, 0xD8, 0xFF]) }

  /// Decodes a file; transparent pixels are laid on white.
  ///
  /// - Throws: `HostError` `.invalidRequest` for a damaged file, a library that is missing, or over 64 megapixels.
  package init(_ file: [UInt8], channels: Int) throws(HostError) {
    var picture = images_picture()
    let isDone = file.withUnsafeBytes { bytes in
      Self.isPNG(file)
        ? images_decode_png(bytes.baseAddress, bytes.count, UInt32(channels), Self.maxPixels, &picture)
        : images_decode_jpeg(bytes.baseAddress, bytes.count, UInt32(channels), Self.maxPixels, &picture)
    }
    defer { images_free(&picture) }
    guard isDone else {
      let text = withUnsafeBytes(of: picture.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      throw HostError(.invalidRequest, "the picture can't be read: \(text)")
    }
    let count = Int(picture.width) * Int(picture.height) * channels
    self.init(
      width: Int(picture.width), height: Int(picture.height), channels: channels,
      samples: Array(UnsafeBufferPointer(start: picture.samples, count: count)))
  }

  /// Samples as floats 0...255 at another size: bilinear, and averaging over the covered pixels where it shrinks.
  package func resized(width newWidth: Int, height newHeight: Int) -> [Float] {
    let columns = Self.weights(from: width, to: newWidth)
    var wide = [Float](repeating: 0, count: newWidth * height * channels)
    for y in 0..<height {
      for (x, column) in columns.enumerated() {
        for channel in 0..<channels {
          var sum: Float = 0
          for (offset, weight) in column.weights.enumerated() {
            sum += weight * Float(samples[(y * width + column.first + offset) * channels + channel])
          }
          wide[(y * newWidth + x) * channels + channel] = sum
        }
      }
    }
    let stride = newWidth * channels
    var result = [Float](repeating: 0, count: newHeight * stride)
    for (y, row) in Self.weights(from: height, to: newHeight).enumerated() {
      for (offset, weight) in row.weights.enumerated() {
        let source = (row.first + offset) * stride
        for x in 0..<stride { result[y * stride + x] += weight * wide[source + x] }
      }
    }
    return result
  }

  /// For each new sample the old ones under a triangle around its centre; weights add up to 1.
  private static func weights(from old: Int, to new: Int) -> [(first: Int, weights: [Float])] {
    let scale = Float(old) / Float(new)
    let reach = max(scale, 1)
    return (0..<new).map { index in
      let centre = (Float(index) + 0.5) * scale
      let first = max(0, Int((centre - reach).rounded(.down)))
      let last = min(old - 1, Int((centre + reach).rounded(.up)))
      let raw = (first...last).map { max(0, 1 - abs((Float($0) + 0.5 - centre) / reach)) }
      let sum = raw.reduce(0, +)
      return (first, raw.map { $0 / sum })
    }
  }
}
