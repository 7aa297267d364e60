import RunnerKit

/// What a model's file says of itself: `producer`, `graph`, `domain`, `description`, `version` where they are set, its
/// own keys, and `dim.<tensor>` = "batch,4" for tensors with named dimensions.
func readMetadata(
  _ engine: Engine, _ session: OrtObject, _ tensors: [ModelTensor]
) throws(RunnerError) -> [(key: String, value: String)] {
  let api = engine.api
  let metadata = try api.make { api.modelMetadata(session, $0) }
  defer { api.releaseMetadata(metadata) }
  /// Copies a text that the engine allocated.
  func taken(_ text: Text?) -> String {
    guard let text else { return "" }
    defer { _ = api.allocatorFree(engine.allocator, UnsafeMutableRawPointer(mutating: text)) }
    return String(cString: text)
  }

  var pairs: [(key: String, value: String)] = []
  let texts = [
    ("producer", api.producerName), ("graph", api.graphName), ("domain", api.domain), ("description", api.describe),
  ]
  for (key, function) in texts {
    var text: Text?
    try api.check(function(metadata, engine.allocator, &text))
    let value = taken(text)
    if !value.isEmpty { pairs.append((key, value)) }
  }
  var version: Int64 = .max
  try api.check(api.modelVersion(metadata, &version))
  if version != .max { pairs.append(("version", String(version))) }  // INT64_MAX = not set
  for tensor in tensors {
    if let shape = tensor.namedShape { pairs.append(("dim.\(String(cString: tensor.name))", shape)) }
  }

  var keys: UnsafeMutablePointer<Text?>?
  var count: Int64 = 0
  try api.check(api.customKeys(metadata, engine.allocator, &keys, &count))
  guard let keys else { return pairs }
  for index in 0..<Int(count) {
    guard let key = keys[index] else { continue }
    var text: Text?
    let status = api.customValue(metadata, engine.allocator, key, &text)
    if let status { api.releaseStatus(status) }
    let name = taken(key)
    let value = taken(text)
    if status == nil, !pairs.contains(where: { $0.key == name }) { pairs.append((name, value)) }
  }
  _ = api.allocatorFree(engine.allocator, keys)
  return pairs
}
