import CLinux
import Glibc
import Inference
import StadionClient

/// Where the header, RunnerKit and the templates lie: beside an installed host or in the repository it was built in.
struct AuthorsKit {
  static let header = "Sources/CStadionRunner/include/stadion_runner.h"

  /// Laid out as the repository: `Sources/CStadionRunner`, `Sources/RunnerKit`, `Templates/runner`.
  let folder: String

  /// Looks in `../share/stadion` of the executable's folder, then in each folder above the executable.
  ///
  /// - Throws: `HostError` `.notFound`, with the places.
  static func find() throws(HostError) -> AuthorsKit {
    var path = [CChar](repeating: 0, count: Int(PATH_MAX))
    guard linux_executable_path(&path, path.count) else {
      throw HostError(.notFound, "can't tell where this executable lies, so its templates can't be found")
    }
    let executable = String(decoding: path.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    var above = parents(of: executable)
    let shared = (above.count > 1 ? above[1] : "") + "/share/stadion"
    above.insert(shared, at: 0)
    for folder in above where FileBytes.exists("\(folder)/\(header)") && FileBytes.exists("\(folder)/Templates/runner")
    {
      return AuthorsKit(folder: folder)
    }
    throw HostError(
      .notFound,
      "no \(header) and Templates/runner in \(shared) or above \(executable); copy them from the repository"
    )
  }

  /// Folders that hold `path`, the nearest first; the root is "".
  private static func parents(of path: String) -> [String] {
    var parents: [String] = []
    var rest = path[...]
    while let slash = rest.lastIndex(of: "/") {
      rest = rest[..<slash]
      parents.append(String(rest))
    }
    return parents
  }

  func read(_ path: String) throws(HostError) -> [UInt8] { try FileBytes.read("\(folder)/\(path)") }

  /// Paths, below `path`, of the files in it and in its folders, in byte order.
  func names(in path: String) throws(HostError) -> [String] {
    guard let handle = opendir("\(folder)/\(path)") else {
      throw HostError(.notFound, "can't read \(folder)/\(path): \(String(cString: strerror(errno)))")
    }
    defer { closedir(handle) }
    var names: [String] = []
    while let entry = readdir(handle) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name.hasPrefix(".") { continue }
      var status = stat()
      guard lstat("\(folder)/\(path)/\(name)", &status) == 0 else { continue }
      switch status.st_mode & S_IFMT {
      case S_IFDIR: names += try self.names(in: "\(path)/\(name)").map { "\(name)/\($0)" }
      case S_IFREG: names.append(name)
      default: break
      }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
