package import Inference
package import Wire

/// What `model.json` says under `inputs.<name>` about turning a file into that input.
package struct InputHints: Sendable, Equatable {
  /// How a picture's samples become floats: `(sample / 255 - mean) * scale`, one value per channel or one for all.
  package struct Image: Sendable, Equatable {
    package var mean: [Float]?
    package var scale: [Float]?
    package var isBGR = false
    /// Where the channels stand; nil for what the shape says.
    package var layout: Layout?

    package enum Layout: String, Sendable { case nchw, nhwc }

    package init() {}
  }

  package var sampleRate: Int?
  package var image = Image()
  package var fileEnds: FileEnds?

  package init() {}

  /// - Parameter json: `{"sampleRate": 16000, "image": {"mean": […], "scale": […], "order": "rgb" | "bgr",
  ///   "layout": "nchw" | "nhwc"},
  ///   "encode": "file-ends", "begin": 1024, "end": 1024, "strip": true, "padding": 256, "block": 4096}`;
  ///   all optional, unknown members are left to others.
  /// - Throws: `HostError` `.invalidRequest` naming the member.
  package init(_ json: JSONValue?, input: String) throws(HostError) {
    guard let json else { return }
    func wrong(_ member: String, _ wanted: String) -> HostError {
      HostError(.invalidRequest, "model.json: inputs.\(input).\(member) must be \(wanted)")
    }
    func integer(_ member: String, _ range: ClosedRange<Int>, _ standard: Int) throws(HostError) -> Int {
      guard let value = json[member] else { return standard }
      guard let number = value.int, range.contains(number) else {
        throw wrong(member, "an integer from \(range.lowerBound) to \(range.upperBound)")
      }
      return number
    }
    if json["sampleRate"] != nil { sampleRate = try integer("sampleRate", 1...10_000_000, 0) }
    if let picture = json["image"] {
      func floats(_ member: String) throws(HostError) -> [Float]? {
        guard let value = picture[member] else { return nil }
        let numbers = value.array?.compactMap { $0.double.map { Float($0) } }
        guard let numbers, numbers.count == value.array?.count, !numbers.isEmpty else {
          throw wrong("image.\(member)", "an array of numbers")
        }
        return numbers
      }
      image.mean = try floats("mean")
      image.scale = try floats("scale")
      if let order = picture["order"] {
        guard order == "rgb" || order == "bgr" else { throw wrong("image.order", "\"rgb\" or \"bgr\"") }
        image.isBGR = order == "bgr"
      }
      if let word = picture["layout"] {
        guard let layout = word.string.flatMap({ Image.Layout(rawValue: $0) }) else {
          throw wrong("image.layout", "\"nchw\" or \"nhwc\"")
        }
        image.layout = layout
      }
    }
    if let encode = json["encode"] {
      guard encode == "file-ends" else { throw wrong("encode", "\"file-ends\"") }
      let limit = 1 << 20  // more would be no classifier's input
      let strip = json["strip"] ?? true
      guard let strips = strip.bool else { throw wrong("strip", "true or false") }
      let ends = FileEnds(
        begin: try integer("begin", 0...limit, 0), end: try integer("end", 0...limit, 0), strip: strips,
        padding: try integer("padding", -1...65_535, 256), block: try integer("block", 1...limit, 4096))
      guard ends.begin <= ends.block, ends.end <= ends.block else { throw wrong("block", "at least begin and end") }
      fileEnds = ends
    }
  }
}
