import Glibc
import Inference

/// Debian's libcrypto, opened when the first digest is wanted: no build needs its headers, and a host that stores nothing
/// starts without it.
///
/// All functions have had these types since OpenSSL 1.1; the library is never closed.
struct LibCrypto: @unchecked Sendable {
  // @unchecked: functions and constant tables of the library, which any thread may use.
  typealias Context = OpaquePointer
  typealias Algorithm = OpaquePointer
  typealias Bytes = UnsafeMutablePointer<UInt8>

  let sha256: Algorithm
  let md5: Algorithm
  let newContext: @convention(c) () -> Context?
  let freeContext: @convention(c) (Context?) -> Void
  let start: @convention(c) (Context, Algorithm, OpaquePointer?) -> CInt
  let update: @convention(c) (Context, UnsafeRawPointer?, Int) -> CInt
  let finish: @convention(c) (Context, Bytes, UnsafeMutablePointer<UInt32>?) -> CInt
  let hmac:
    @convention(c) (
      Algorithm, UnsafeRawPointer?, CInt, UnsafePointer<UInt8>?, Int, Bytes, UnsafeMutablePointer<UInt32>?
    ) -> Bytes?

  // For signatures with RSA keys.
  let newMemory: @convention(c) (UnsafeRawPointer, CInt) -> OpaquePointer?
  let freeMemory: @convention(c) (OpaquePointer?) -> CInt
  let readPrivateKey:
    @convention(c) (
      OpaquePointer, UnsafeMutableRawPointer?,
      (@convention(c) (UnsafeMutablePointer<CChar>?, CInt, CInt, UnsafeMutableRawPointer?) -> CInt)?,
      UnsafeMutableRawPointer?
    ) -> OpaquePointer?
  let freeKey: @convention(c) (OpaquePointer?) -> Void
  let startSignature:
    @convention(c) (Context, UnsafeMutableRawPointer?, Algorithm, OpaquePointer?, OpaquePointer) -> CInt
  let sign: @convention(c) (Context, Bytes?, UnsafeMutablePointer<Int>, UnsafePointer<UInt8>?, Int) -> CInt

  static var shared: LibCrypto {
    get throws(HostError) { try loaded.get() }
  }

  private static let loaded = Result { () throws(HostError) in try LibCrypto() }

  private init() throws(HostError) {
    guard let library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL) else {
      throw HostError(.unsupported, "stored models need libcrypto.so.3; install Debian's package libssl3")
    }
    func symbol<Function>(_ name: String) throws(HostError) -> Function {
      guard let address = dlsym(library, name) else {
        throw HostError(.unsupported, "libcrypto.so.3 has no \(name); install Debian's package libssl3")
      }
      return unsafeBitCast(address, to: Function.self)
    }
    func algorithm(_ name: String) throws(HostError) -> Algorithm {
      let get: @convention(c) () -> Algorithm? = try symbol(name)
      guard let algorithm = get() else { throw HostError(.unsupported, "libcrypto.so.3 offers no \(name)") }
      return algorithm
    }
    sha256 = try algorithm("EVP_sha256")
    md5 = try algorithm("EVP_md5")
    newContext = try symbol("EVP_MD_CTX_new")
    freeContext = try symbol("EVP_MD_CTX_free")
    start = try symbol("EVP_DigestInit_ex")
    update = try symbol("EVP_DigestUpdate")
    finish = try symbol("EVP_DigestFinal_ex")
    hmac = try symbol("HMAC")
    newMemory = try symbol("BIO_new_mem_buf")
    freeMemory = try symbol("BIO_free")
    readPrivateKey = try symbol("PEM_read_bio_PrivateKey")
    freeKey = try symbol("EVP_PKEY_free")
    startSignature = try symbol("EVP_DigestSignInit")
    sign = try symbol("EVP_DigestSign")
  }
}
