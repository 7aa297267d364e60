import Inference

/// Turns a picture into what a model's input takes.
package enum PictureTensor {
  /// Where height, width and channels stand in a shape of rank 3 or 4, and how many channels there are.
  struct Layout: Equatable {
    var channelsFirst: Bool
    var channels: Int
    /// -1 where the picture's own size is taken.
    var height: Int64
    var width: Int64

    /// Nil unless the shape is [N?, C, H, W] or [N?, H, W, C] with 1 or 3 channels and a batch of 1 or any.
    ///
    /// - Parameter order: Decides where the shape leaves a choice; open channels are three then.
    init?(_ shape: [Int64], _ order: InputHints.Image.Layout? = nil) {
      guard shape.count == 3 || shape.count == 4 && (shape[0] == 1 || shape[0] < 0) else { return nil }
      let s = Array(shape.suffix(3))
      if let order {
        let channels = order == .nchw ? s[0] : s[2]
        guard [1, 3].contains(channels) || channels < 0 else { return nil }
        self.init(
          channelsFirst: order == .nchw, channels: channels < 0 ? 3 : Int(channels),
          height: order == .nchw ? s[1] : s[0],
          width: order == .nchw ? s[2] : s[1])
      } else if s[0] == 1 || s[0] == 3 {
        self.init(channelsFirst: true, channels: Int(s[0]), height: s[1], width: s[2])
      } else if s[2] == 1 || s[2] == 3 {
        self.init(channelsFirst: false, channels: Int(s[2]), height: s[0], width: s[1])
      } else {
        return nil
      }
    }

    private init(channelsFirst: Bool, channels: Int, height: Int64, width: Int64) {
      self.channelsFirst = channelsFirst
      self.channels = channels
      self.height = height
      self.width = width
    }
  }

  /// Resizes to the input's height and width. UINT8 takes samples as they are, FP32 takes
  /// `(sample / 255 - mean) * scale` per channel.
  static func make(_ file: [UInt8], for spec: TensorSpec, _ hint: InputHints.Image) throws(HostError) -> DenseTensor {
    guard let layout = Layout(spec.shape, hint.layout) else {
      throw HostError(
        .invalidRequest,
        "\(spec.name) has shape \(spec.shape); a picture fits [1, C, H, W] or [1, H, W, C] with 1 or 3 channels"
          + (hint.layout.map { "; layout \($0.rawValue) was asked for" } ?? ""))
    }
    guard spec.elementType == .f32 || spec.elementType == .u8 else {
      throw HostError(
        .invalidRequest, "\(spec.name) wants \(spec.elementType.protocolName); a picture fits FP32 and UINT8")
    }
    let picture = try Picture(file, channels: layout.channels)
    let width = layout.width < 0 ? picture.width : Int(layout.width)
    let height = layout.height < 0 ? picture.height : Int(layout.height)
    // 64 megapixels, as when decoding, also half-way when only the width is new; by division, which can't overflow.
    guard width > 0, height > 0, width <= (1 << 26) / max(height, picture.height) else {
      throw HostError(.invalidRequest, "\(spec.name): \(width) x \(height) is no size for a picture")
    }
    let samples = picture.resized(width: width, height: height)
    let channels = layout.channels
    let mean = try perChannel(hint.mean, channels, "mean", spec.name) ?? [Float](repeating: 0, count: channels)
    let scale = try perChannel(hint.scale, channels, "scale", spec.name) ?? [Float](repeating: 1, count: channels)
    var values = [Float](repeating: 0, count: samples.count)
    let pixels = width * height
    for pixel in 0..<pixels {
      for channel in 0..<channels {
        let source = hint.isBGR && channels == 3 ? 2 - channel : channel
        let target = layout.channelsFirst ? channel * pixels + pixel : pixel * channels + channel
        let sample = samples[pixel * channels + source]
        values[target] = spec.elementType == .u8 ? sample : (sample / 255 - mean[channel]) * scale[channel]
      }
    }
    let size = [Int64(height), Int64(width)]
    let shape =
      [Int64](repeating: 1, count: spec.shape.count - 3)
      + (layout.channelsFirst ? [Int64(channels)] + size : size + [Int64(channels)])
    if spec.elementType == .u8 {
      let bytes = values.map { UInt8(max(0, min(255, $0.rounded()))) }
      return DenseTensor(name: spec.name, elementType: .u8, shape: shape, bytes: bytes)
    }
    return DenseTensor(name: spec.name, elementType: .f32, shape: shape, values: values)
  }

  /// How a picture became this tensor; nil for a file that is none.
  package static func note(_ file: [UInt8], _ tensor: DenseTensor, _ hints: InputHints) -> String? {
    guard Picture.isPNG(file) || Picture.isJPEG(file), hints.fileEnds == nil,
      let layout = Layout(tensor.shape, hints.image.layout)
    else { return nil }
    func list(_ values: [Float]) -> String { values.map(\.description).joined(separator: " ") }
    var value = "samples 0 to 255"
    if tensor.elementType == .f32 {
      value = "sample / 255"
      if let mean = hints.image.mean { value = "(\(value) - \(list(mean)))" }
      if let scale = hints.image.scale { value += " * \(list(scale))" }
    }
    let channels = layout.channels == 1 ? "grey" : hints.image.isBGR ? "BGR" : "RGB"
    return "\(tensor.name): pictures at \(layout.width) x \(layout.height), \(channels), "
      + "\(layout.channelsFirst ? "NCHW" : "NHWC"), \(value)"
  }

  private static func perChannel(
    _ values: [Float]?, _ channels: Int, _ what: String, _ name: String
  ) throws(HostError) -> [Float]? {
    guard let values else { return nil }
    guard values.count == channels || values.count == 1 else {
      throw HostError(
        .invalidRequest, "inputs.\(name).image.\(what) has \(values.count) values for \(channels) channels")
    }
    return values.count == channels ? values : [Float](repeating: values[0], count: channels)
  }
}
