import RunnerKit

/// What a model's file says of itself: `signature` (the one that is served), `signatures` (all of them),
/// `min_runtime_version`, and `quant.<tensor>` = "scale,zero point" for quantised inputs and outputs.
func readMetadata(_ file: ModelFile, _ signature: ModelSignature) -> [(key: String, value: String)] {
  var pairs = [("signature", signature.key), ("signatures", signature.allKeys.joined(separator: ","))]
  let key = "min_runtime_version"
  var data: UnsafeRawPointer?
  var byteCount = 0
  if file.environment.api.modelMetadata(file.handle, key, &data, &byteCount) == 0, let data {
    let text = UnsafeRawBufferPointer(start: data, count: byteCount).prefix { $0 != 0 }
    if !text.isEmpty { pairs.append((key, String(decoding: text, as: UTF8.self))) }
  }
  for tensor in signature.inputs + signature.outputs {
    guard let quantization = tensor.quantization else { continue }
    pairs.append(("quant.\(String(cString: tensor.name))", quantization))
  }
  return pairs.map { (key: $0.0, value: $0.1) }
}
