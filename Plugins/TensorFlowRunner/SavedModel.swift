import CTensorFlow
import Glibc
import RunnerKit

/// A SavedModel that TensorFlow has loaded: session and graph, and the signature that is served.
final class SavedModel {
  let engine: Engine
  let session: TFObject
  let graph: TFObject
  let signatureName: String
  let signature: SignatureDef
  let meta: MetaGraph
  /// Why inputs must be copied; see `GraphOperations`.
  let keepingOperation: String?

  /// - Parameter path: A folder with saved_model.pb.
  init(_ engine: Engine, path: String, _ settings: ModelSettings) throws(RunnerError) {
    let api = engine.api
    guard access("\(path)/saved_model.pb", R_OK) == 0 || access("\(path)/saved_model.pbtxt", R_OK) == 0 else {
      throw RunnerError(
        .notFound, "the SavedModel has no saved_model.pb that can be read: \(String(cString: strerror(errno)))")
    }
    guard let graph = api.newGraph(), let buffer = api.newBuffer() else { throw Engine.outOfMemory }
    defer { api.deleteBuffer(buffer) }
    var session: TFObject?
    do throws(RunnerError) {
      let loaded = try Self.load(engine, path, settings.tags, graph, buffer)
      session = loaded
      let meta = try Self.readMeta(buffer.pointee.bytes)
      // TensorFlow takes the folder's absence for a model without variables, and fails when it runs.
      if meta.restoresVariables, meta.operations.hasVariables, access("\(path)/variables/variables.index", R_OK) != 0 {
        throw RunnerError(
          .invalidArgument,
          "the graph has variables, but there is no variables/variables.index beside saved_model.pb; copy the whole "
            + "SavedModel folder")
      }
      (signatureName, signature) = try Self.choose(settings.signature, of: meta)
      self.meta = meta
      keepingOperation = meta.operations.keepingOperation(
        for: signature.outputs.map(\.info.tensorName), stateful: engine.statefulOperations)
      self.session = loaded
    } catch {
      if let session { Self.close(api, session) }
      api.deleteGraph(graph)
      throw error
    }
    self.engine = engine
    self.graph = graph
  }

  deinit {
    Self.close(engine.api, session)
    engine.api.deleteGraph(graph)
  }

  private static func load(
    _ engine: Engine, _ path: String, _ tags: [String], _ graph: TFObject, _ meta: UnsafeMutablePointer<tf_buffer>
  ) throws(RunnerError) -> TFObject {
    let api = engine.api
    guard let options = api.newSessionOptions() else { throw Engine.outOfMemory }
    defer { api.deleteSessionOptions(options) }
    let config = engine.threads.sessionConfig
    try api.check { api.setConfig(options, config, config.count, $0) }
    let copies = tags.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    let words = copies.map { UnsafePointer($0) }
    var session: TFObject?
    try api.check { session = api.loadSession(options, nil, path, words, Int32(words.count), graph, meta, $0) }
    guard let session else { throw Engine.outOfMemory }
    return session
  }

  private static func readMeta(_ bytes: UnsafeRawBufferPointer) throws(RunnerError) -> MetaGraph {
    do {
      return try MetaGraph(bytes)
    } catch {
      throw RunnerError(.invalidArgument, "the SavedModel's MetaGraphDef is not well-formed")
    }
  }

  private static func choose(
    _ wanted: String?, of meta: MetaGraph
  ) throws(RunnerError) -> (name: String, signature: SignatureDef) {
    let names = meta.signatures.keys.sorted().joined(separator: ", ")
    guard let first = meta.signatures.first else {
      throw RunnerError(
        .unsupported, "the SavedModel has no signature; give tf.saved_model.save the argument signatures")
    }
    if let wanted {
      guard let found = meta.signatures[wanted] else {
        throw RunnerError(.invalidArgument, "option signature is \"\(wanted)\"; the SavedModel has \(names)")
      }
      return (wanted, found)
    }
    if let found = meta.signatures["serving_default"] { return ("serving_default", found) }
    guard meta.signatures.count == 1 else {
      throw RunnerError(
        .invalidArgument, "the SavedModel has the signatures \(names); set option signature in model.json to one")
    }
    return (first.key, first.value)
  }

  private static func close(_ api: TensorFlowAPI, _ session: TFObject) {
    guard let status = api.newStatus() else { return }
    api.closeSession(session, status)
    api.deleteSession(session, status)
    api.deleteStatus(status)
  }
}
