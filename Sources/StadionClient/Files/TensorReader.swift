package import Inference
package import Wire

/// Makes a model's input from a file, by what the file holds and what the input wants.
///
/// A hint of the model decides first. Then npy, WAVE, PNG and JPEG are known by their first bytes; a BYTES input takes
/// anything else as text, a number input takes JSON, or raw elements when the byte count fits.
package struct TensorReader {
  package let spec: TensorSpec
  package var hints: InputHints
  /// For BYTES: each line is an element, instead of the whole text.
  package var byLine = false

  package init(_ spec: TensorSpec, hints: InputHints = InputHints()) {
    self.spec = spec
    self.hints = hints
  }

  /// - Returns: Also what a person should know about the way it was read, if anything.
  /// - Throws: `HostError` `.invalidRequest` naming what the file has and what the input wants.
  package func read(file: [UInt8]) throws(HostError) -> (tensor: DenseTensor, note: String?) {
    if let ends = hints.fileEnds { return (try ends.tensor(of: file, for: spec), nil) }
    if file.starts(with: NumPyFile.magic) { return (try fitted(NumPyFile.read(file, wanted: spec.elementType)), nil) }
    if spec.elementType == .utf8 { return (try text(file), nil) }
    if WaveFile.isWave(file) { return try WaveFile(file).tensor(for: spec, sampleRate: hints.sampleRate) }
    if Picture.isPNG(file) || Picture.isJPEG(file) {
      return (try PictureTensor.make(file, for: spec, hints.image), nil)
    }
    // The start tells JSON well enough; a raw file that happens to begin so still isn't JSON to its end.
    if let first = file.first(where: { $0 > 32 }), "[-0123456789tfNI".utf8.contains(first) {
      switch Self.parse(file) {
      case .success(let json): return (try fitted(parsed(json)), nil)
      case .failure(let error) where !fitsRaw(file):
        throw HostError(.invalidRequest, "\(spec.name): the file is neither JSON nor raw elements", cause: error)
      case .failure: break
      }
    }
    return (try raw(file), nil)
  }

  /// Makes the input from JSON on the command line.
  package func read(json: JSONValue) throws(HostError) -> DenseTensor { try fitted(parsed(json)) }

  private static func parse(_ file: [UInt8]) -> Result<JSONValue, JSONError> {
    Result { () throws(JSONError) -> JSONValue in try JSONValue(parsing: file) }
  }

  private func parsed(_ json: JSONValue) throws(HostError) -> DenseTensor {
    try DenseTensor(name: spec.name, elementType: spec.elementType, json: json)
  }

  private func fitted(_ tensor: DenseTensor) throws(HostError) -> DenseTensor {
    guard tensor.elementType == spec.elementType else {
      throw HostError(
        .invalidRequest,
        "\(spec.name) wants \(spec.elementType.protocolName), the file has \(tensor.elementType.protocolName)")
    }
    guard let shape = ShapeFit.match(tensor.shape, spec.shape) else {
      throw HostError(.invalidRequest, "\(spec.name) wants shape \(spec.shape), the file has \(tensor.shape)")
    }
    return DenseTensor(name: spec.name, elementType: tensor.elementType, shape: shape, bytes: tensor.bytes)
  }

  private func fitsRaw(_ file: [UInt8]) -> Bool {
    guard let size = spec.elementType.byteCount, file.count % size == 0 else { return false }
    return ShapeFit.solve(file.count / size, spec.shape) != nil
  }

  private func raw(_ file: [UInt8]) throws(HostError) -> DenseTensor {
    guard let size = spec.elementType.byteCount, fitsRaw(file),
      let shape = ShapeFit.solve(file.count / size, spec.shape)
    else {
      let wanted = TensorSize.byteCount(spec.elementType, spec.shape).map { " (\($0) bytes)" } ?? ""
      throw HostError(
        .invalidRequest,
        "\(spec.name) wants \(spec.elementType.protocolName) \(spec.shape)\(wanted), the file has \(file.count) bytes "
          + "that are no npy, JSON, WAVE, PNG or JPEG")
    }
    return DenseTensor(name: spec.name, elementType: spec.elementType, shape: shape, bytes: file)
  }

  private func text(_ file: [UInt8]) throws(HostError) -> DenseTensor {
    var elements = [file]
    if byLine {
      elements = file.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map(Array.init)
      if elements.last?.isEmpty == true { elements.removeLast() }
    }
    guard let shape = ShapeFit.solve(elements.count, spec.shape) else {
      throw HostError(
        .invalidRequest,
        "\(spec.name) wants shape \(spec.shape), the text has \(elements.count) \(byLine ? "lines" : "element; try --lines")"
      )
    }
    return DenseTensor(name: spec.name, shape: shape, elements: elements)
  }
}
