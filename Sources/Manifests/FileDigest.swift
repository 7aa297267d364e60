import Glibc

/// SHA-256 of files by Debian's libcrypto, which is opened only when a manifest gives a checksum.
enum FileDigest {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// 64 lower-case hexadecimal digits. Blocks: reads the whole file.
  static func sha256(of path: String) throws(Failure) -> String {
    let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else { throw Failure(description: "can't be opened: \(FilePath.errorText)") }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size > 0 else {
      throw Failure(description: "is not a regular file with content")
    }
    let byteCount = Int(status.st_size)
    guard let bytes = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, file, 0), bytes != MAP_FAILED else {
      throw Failure(description: "can't be mapped: \(FilePath.errorText)")
    }
    defer { munmap(bytes, byteCount) }
    return try sha256(UnsafeRawBufferPointer(start: bytes, count: byteCount))
  }

  static func sha256(_ bytes: UnsafeRawBufferPointer) throws(Failure) -> String {
    // EVP_Digest and EVP_sha256 as documented in EVP_DigestInit(3) of OpenSSL 3.
    typealias Algorithm = @convention(c) () -> OpaquePointer?
    typealias Digest =
      @convention(c) (
        UnsafeRawPointer?, Int, UnsafeMutablePointer<UInt8>, UnsafeMutablePointer<UInt32>?, OpaquePointer?,
        OpaquePointer?
      ) -> Int32
    guard let library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL),
      let algorithm = dlsym(library, "EVP_sha256"), let digest = dlsym(library, "EVP_Digest")
    else {
      throw Failure(description: "can't be checked: libcrypto.so.3 can't be opened (Debian package libssl3)")
    }
    // Both symbols have had these types since OpenSSL 1.1; the library is never closed.
    let sha256 = unsafeBitCast(algorithm, to: Algorithm.self)
    let compute = unsafeBitCast(digest, to: Digest.self)
    var out = [UInt8](repeating: 0, count: 64)
    var count: UInt32 = 0
    guard compute(bytes.baseAddress, bytes.count, &out, &count, sha256(), nil) == 1, count == 32 else {
      throw Failure(description: "can't be checked: libcrypto computes no SHA-256")
    }
    return out.prefix(32).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
