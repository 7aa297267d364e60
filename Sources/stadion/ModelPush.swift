import Glibc
import Inference
import StadionClient
import Storage
import Wire

/// `stadion model push`: sends a model to the host and has it registered.
enum ModelPush {
  static let spec = CommandSpec(
    "stadion model push", "Send a model to the host and register it.", operands: ["PATH", "NAME[:VERSION]"],
    options: ClientOptions.facts + [
      CommandSpec.Option("--tag", value: "KEY=VALUE", isRepeated: true, help: "Of the version."),
      CommandSpec.Option("--metadata", value: "FILE", help: "JSON that says more of the version."),
      CommandSpec.Option(
        "--parent", value: "NAME:VERSION", isRepeated: true, help: "What it was made from; or sha256:DIGEST of a file."),
      CommandSpec.Option(
        "--settings", value: "FILE", help: "What a model.json would say; with the model's first version."),
    ],
    details: """
      PATH is a model's file, or a folder with what a version's folder would hold: model.xml and model.bin, saved_model
      and the like. Without VERSION it gets the next number. A push that was interrupted goes on where it was when it is
      run again, as long as the host keeps what has come (registry.uploadKeepMs). What the host refuses it deletes there.
      """)

  /// Bytes of one request: what a broken connection costs.
  private static let pieceBytes = 16 << 20

  @Sendable static func run(_ words: [String]) throws {
    let arguments = try Arguments(words, for: spec)
    if arguments.has("--help") { return print(spec.help) }
    let path = arguments.operands[0]
    let (name, version) = ModelPlaces.parts(arguments.operands[1])
    var body = try fields(arguments, version)
    // Compiling a large model for a device takes minutes, and so does putting it into storage.
    let client = try ClientOptions.client(arguments, timeout: .seconds(3600))
    var files: [JSONValue] = []
    var uploads: Set<String> = []
    let answer: JSONValue
    do {
      for (file, inner) in try self.files(path) {
        let id = try send(file, client, besides: uploads)
        uploads.insert(id)
        files.append(["path": .string(inner), "upload": .string(id)])
      }
      body.append(.init("files", .array(files)))
      answer = try client.registry("POST", name, "versions", .object(body))
    } catch let error as HostError where isRefusal(error) {
      // They count as stored until they expire, and the same push would be refused again.
      for id in uploads { try? client.deleteUpload(id) }
      throw error
    }
    if arguments.has("--json") { return print(answer.text) }
    print("\(name):\(answer.text("version")) is registered; \(answer.text("format")), \(answer.text("bytes")) bytes")
  }

  /// Whether it is in vain to go on with the same bytes; a host that is away or busy may take them yet.
  private static func isRefusal(_ error: HostError) -> Bool {
    switch error.code {
    case .invalidRequest, .forbidden, .conflict, .unsupported, .payloadTooLarge, .quotaExceeded, .storageRefused: true
    default: false
    }
  }

  /// What is said of the version, beside its files.
  static func fields(_ arguments: Arguments, _ version: String?) throws -> [JSONValue.Member] {
    var body: [JSONValue.Member] = []
    if let version { body.append(.init("version", .string(version))) }
    var tags: [JSONValue.Member] = []
    for tag in arguments.values("--tag") {
      let parts = tag.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2 else { throw UsageError("--tag wants KEY=VALUE, not \"\(tag)\"") }
      tags.append(.init(String(parts[0]), .string(String(parts[1]))))
    }
    if !tags.isEmpty { body.append(.init("tags", .object(tags))) }
    for key in ["settings", "metadata"] {
      guard let file = arguments.value("--\(key)") else { continue }
      do { body.append(.init(key, try JSONValue(parsing: try SmallFile.read(file, limit: 64 * 1024)))) } catch {
        throw UsageError("--\(key) \(file): \(error)")
      }
    }
    let parents = try arguments.values("--parent").map { try parent($0) }
    if !parents.isEmpty { body.append(.init("parents", .array(parents))) }
    return body
  }

  private static func parent(_ word: String) throws -> JSONValue {
    guard case (let name, let label?) = ModelPlaces.parts(word) else {
      throw UsageError("--parent wants NAME:VERSION or sha256:DIGEST, not \"\(word)\"")
    }
    return name == "sha256" ? ["sha256": .string(label)] : ["model": .string(name), "version": .string(label)]
  }

  /// Files below `path`, and their paths in the version's folder.
  private static func files(_ path: String) throws -> [(String, String)] {
    var status = stat()
    guard stat(path, &status) == 0 else { throw UsageError("\(path): \(String(cString: strerror(errno)))") }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      let name = path.split(separator: "/").last.map(String.init) ?? path
      let ending = name.split(separator: ".").last.map(String.init) ?? ""
      return [(path, name.hasPrefix("model.") || !name.contains(".") ? name : "model.\(ending)")]
    }
    var found: [(String, String)] = []
    var folders = [""]
    while let folder = folders.popLast() {
      guard let handle = opendir("\(path)/\(folder)") else {
        throw UsageError("\(path)/\(folder): \(String(cString: strerror(errno)))")
      }
      defer { closedir(handle) }
      while let entry = readdir(handle) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        guard !name.hasPrefix(".") else { continue }
        let inner = folder.isEmpty ? name : "\(folder)/\(name)"
        guard stat("\(path)/\(inner)", &status) == 0 else { continue }
        if status.st_mode & S_IFMT == S_IFDIR {
          folders.append(inner)
        } else {
          found.append(("\(path)/\(inner)", inner))
        }
      }
    }
    guard !found.isEmpty else { throw UsageError("\(path) holds no files") }
    return found.sorted { $0.1 < $1.1 }
  }

  /// - Parameter others: Uploads of the version's other files, which may have the same bytes.
  /// - Returns: The upload's id.
  private static func send(_ path: String, _ client: StadionClient, besides others: Set<String>) throws -> String {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw UsageError("\(path): \(String(cString: strerror(errno)))") }
    defer { close(file) }
    let slice = try FileSlice(descriptor: file)
    let digest = try slice.sha256(StorageCall()).text
    let known = try client.uploads(byteCount: slice.byteCount, sha256: digest).first { !others.contains($0.id) }
    if let known {
      do {
        StandardError.print("goes on at byte \(known.offset) of \(slice.byteCount): \(Table.printable(path))")
        try send(slice, from: known.offset, to: known.id, client)
        return known.id
      } catch let error as HostError where error.code == .conflict || error.code == .notFound {
        // Another push sends the same at this moment, or it has just expired.
      }
    }
    let id = try client.beginUpload(byteCount: slice.byteCount, sha256: digest)
    try send(slice, from: 0, to: id, client)
    return id
  }

  private static func send(_ slice: FileSlice, from start: Int, to id: String, _ client: StadionClient) throws {
    var offset = start
    while offset < slice.byteCount {
      let count = min(pieceBytes, slice.byteCount - offset)
      let bytes = try [UInt8](unsafeUninitializedCapacity: count) { out, initialized in
        initialized = try slice.read(at: offset, into: UnsafeMutableRawBufferPointer(out))
      }
      try client.upload(bytes, to: id, at: offset)
      offset += bytes.count
    }
  }
}
