import Glibc
import Inference
import Storage
import Wire

/// Uses a store in a process of its own, so that a test can kill it and see what it takes.
///
///     StorageProbe put LOCATION FILE
///     StorageProbe get LOCATION DIGEST CACHE_FOLDER
///
/// Prints the content's digest, and the most memory it had resident, in bytes. Credentials come from the environment.
@main enum StorageProbe {
  static func main() {
    do throws(HostError) {
      let words = CommandLine.arguments
      guard words.count >= 4 else {
        throw HostError(.invalidRequest, "put LOCATION FILE or get LOCATION DIGEST FOLDER")
      }
      let content = ContentStore(try StorageLocation(words[2]).open(environment: environment))
      let call = StorageCall()
      if words[1] == "put" {
        let file = open(words[3], O_RDONLY)
        print(try content.put(FileSlice(descriptor: file), call).digest)
      } else {
        guard let digest = SHA256Digest(words[3]) else { throw HostError(.invalidRequest, "no digest") }
        let cache = try ContentCache(words[4], byteLimit: 16 << 30, content)
        let file = try withExtendedLifetime(cache.open(digest, call)) { $0.path }
        print(file)
      }
      print(peakByteCount)
    } catch {
      print(error)
      exit(1)
    }
  }

  private static var environment: [String: String] {
    var found: [String: String] = [:]
    var next = environ
    while let entry = next.pointee {
      let pair = String(cString: entry).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if pair.count == 2 { found[String(pair[0])] = String(pair[1]) }
      next += 1
    }
    return found
  }

  /// Of this program alone: what getrusage(2) says has its parent's memory in it.
  private static var peakByteCount: Int {
    let status = (try? SmallFile.read("/proc/self/status", limit: 1 << 20)) ?? []
    let lines = String(decoding: status, as: UTF8.self).split(separator: "\n")
    let words = lines.first { $0.hasPrefix("VmHWM:") }?.split { " \t".contains($0) } ?? []
    return words.count == 3 ? (Int(words[1]) ?? .max / 1024) * 1024 : .max
  }
}
