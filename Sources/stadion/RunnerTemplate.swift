import Inference
import Manifests

/// The files of a new runner, in memory.
struct RunnerTemplate {
  let name: String
  let id: String
  let language: RunnerLanguage

  /// - Returns: Paths below the new folder, and what they hold.
  func files(of kit: AuthorsKit) throws(HostError) -> [(path: String, bytes: [UInt8])] {
    var files: [(path: String, bytes: [UInt8])] = []
    for folder in ["common", language.rawValue] {
      for file in try kit.names(in: "Templates/runner/\(folder)") {
        let text = String(decoding: try kit.read("Templates/runner/\(folder)/\(file)"), as: UTF8.self)
        files.append((place(of: file), Array(filled(text).utf8)))
      }
    }
    if language == .swift {
      try copy("Sources/CStadionRunner", from: kit, to: "Sources/CStadionRunner", into: &files)
      try copy("Sources/RunnerKit", from: kit, to: "Sources/RunnerKit", into: &files)
    } else {
      try copy("Sources/CStadionRunner/include", from: kit, to: "include", into: &files)
    }
    return files
  }

  private func copy(
    _ folder: String, from kit: AuthorsKit, to place: String, into files: inout [(path: String, bytes: [UInt8])]
  ) throws(HostError) {
    for file in try kit.names(in: folder) { files.append(("\(place)/\(file)", try kit.read("\(folder)/\(file)"))) }
  }

  /// Names that hold the runner's.
  private func place(of file: String) -> String {
    switch file {
    case "manifest.json": "\(name).runner.json"
    case "model": "models/\(name)/1/model.\(name)"
    default: file
    }
  }

  private func filled(_ text: String) -> String {
    let words = [
      "NAME": name, "ID": id, "SOURCE": language.source, "INCLUDE": language.include,
      "ABI_MAJOR": String(SupportedABI.host.newest.major), "ABI_MINOR": String(SupportedABI.host.newest.minor),
    ]
    return words.reduce(text) { $0.replacing("@\($1.key)@", with: $1.value) }
  }
}

/// What runners can be written in here.
enum RunnerLanguage: String {
  case c, cpp, swift

  var title: String {
    switch self {
    case .c: "C"
    case .cpp: "C++"
    case .swift: "Swift"
    }
  }

  var source: String {
    switch self {
    case .c: "runner.c"
    case .cpp: "runner.cpp"
    case .swift: "Sources/Plugin/Plugin.swift"
    }
  }

  /// Where the header goes.
  var include: String { self == .swift ? "Sources/CStadionRunner/include" : "include" }
}
