import Inference

/// Which container, and how it is spoken to.
package struct AzureSettings: Sendable {
  package var account: String
  package var container: String
  /// As `http://127.0.0.1:10000/account`; nil for Azure's public cloud.
  package var endpoint: String?
  /// PEM certificates to trust instead of the system's.
  package var caFile: String?
  /// Objects over this are sent in blocks of this size, or more where 50 000 would not do.
  package var partByteCount = 16 << 20
  package var retry = RetryPolicy()

  package init(account: String, container: String) {
    self.account = account
    self.container = container
  }

  /// The container's, without a slash at its end.
  func address() throws(HostError) -> HTTPAddress {
    guard (3...24).contains(account.utf8.count), account.utf8.allSatisfy(Self.isLowerOrDigit) else {
      throw HostError(.invalidRequest, "\"\(account.prefix(100))\" can't be a storage account's name")
    }
    let isName = container.utf8.allSatisfy { Self.isLowerOrDigit($0) || $0 == UInt8(ascii: "-") }
    guard (3...63).contains(container.utf8.count), isName else {
      throw HostError(.invalidRequest, "\"\(container.prefix(100))\" can't be a container's name")
    }
    let service = try HTTPAddress(endpoint ?? "https://\(account).blob.core.windows.net")
    return service.at((service.path == "/" ? "" : service.path) + "/\(container)")
  }

  private static func isLowerOrDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }
}
