import Inference

/// Which bucket, and how it is spoken to.
package struct S3Settings: Sendable {
  package var bucket: String
  package var region = "us-east-1"
  /// As `https://minio.local:9000`; nil for AWS itself.
  package var endpoint: String?
  /// The bucket stands in the path instead of the host's name; nil lets an endpoint of one's own decide, as most have no
  /// host name for each bucket.
  package var usesPathStyle: Bool?
  /// PEM certificates to trust instead of the system's.
  package var caFile: String?
  /// Objects over this are sent in parts of this size, or more where 10 000 would not do. At least 5 MB for S3.
  package var partByteCount = 16 << 20
  package var retry = RetryPolicy()

  package init(bucket: String) { self.bucket = bucket }

  /// Where the bucket is; objects' keys are appended to the path, which ends with a slash.
  func address() throws(HostError) -> HTTPAddress {
    let isName = bucket.utf8.allSatisfy {
      switch $0 {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
    guard (3...63).contains(bucket.utf8.count), isName, bucket.first != ".", bucket.first != "-" else {
      throw HostError(.invalidRequest, "\"\(bucket.prefix(100))\" can't be a bucket's name")
    }
    guard !region.isEmpty, region.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "/") }) else {
      throw HostError(.invalidRequest, "\"\(region.prefix(100))\" can't be a region")
    }
    var address = try HTTPAddress(endpoint ?? "https://s3.\(region).amazonaws.com")
    guard address.path == "/" else {
      throw HostError(.invalidRequest, "the endpoint of bucket \(bucket) has a path; it can't have one")
    }
    // A certificate for *.host doesn't fit names with dots before it.
    if usesPathStyle ?? (endpoint != nil || bucket.contains(".")) {
      address.path = "/\(bucket)/"
    } else {
      address.host = "\(bucket).\(address.host)"
    }
    return address
  }
}
