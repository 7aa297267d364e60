package import Wire

/// Writes metrics as text for Prometheus (version 0.0.4) or as OpenMetrics 1.0.
///
/// A family's lines stand together behind its head: `begin`, then its samples.
package struct MetricsText: Sendable {
  package enum Format: Sendable { case prometheus, openMetrics }

  package enum Kind: Sendable {
    case counter, gauge, histogram

    var word: StaticString {
      switch self {
      case .counter: "counter"
      case .gauge: "gauge"
      case .histogram: "histogram"
      }
    }
  }

  /// What describes a family.
  package struct Family: Sendable {
    /// Without `_total`.
    let name: StaticString
    let kind: Kind
    /// `seconds` or `bytes`, the name's last word; nil without.
    let unit: StaticString?
    let help: StaticString

    package init(_ name: StaticString, _ kind: Kind, unit: StaticString? = nil, _ help: StaticString) {
      self.name = name
      self.kind = kind
      self.unit = unit
      self.help = help
    }
  }

  package let format: Format

  package init(_ format: Format) { self.format = format }

  package var contentType: StaticString {
    switch format {
    case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
    case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
    }
  }

  package func begin(_ family: Family, _ out: ByteBuffer) {
    comment("HELP", family, out)
    out.append(family.help)
    out.append("\n")
    comment("TYPE", family, out)
    out.append(family.kind.word)
    out.append("\n")
    guard format == .openMetrics, let unit = family.unit else { return }
    comment("UNIT", family, out)
    out.append(unit)
    out.append("\n")
  }

  private func comment(_ word: StaticString, _ family: Family, _ out: ByteBuffer) {
    out.append("# ")
    out.append(word)
    out.append(" ")
    out.append(family.name)
    if format == .prometheus && family.kind == .counter { out.append("_total") }
    out.append(" ")
  }

  package func end(_ out: ByteBuffer) { if format == .openMetrics { out.append("# EOF\n") } }

  // MARK: Samples

  /// - Parameter labels: `name="value",…` without braces.
  package func sample(_ family: Family, _ labels: [UInt8], _ value: UInt64, _ out: ByteBuffer) {
    name(family, labels, out)
    out.append(decimal: value)
    out.append("\n")
  }

  package func sample(_ family: Family, _ labels: [UInt8], seconds nanoseconds: UInt64, _ out: ByteBuffer) {
    name(family, labels, out)
    out.append(seconds: nanoseconds)
    out.append("\n")
  }

  private func name(_ family: Family, _ labels: [UInt8], _ out: ByteBuffer) {
    out.append(family.name)
    if family.kind == .counter { out.append("_total") }
    guard !labels.isEmpty else { return out.append(" ") }
    out.append("{")
    out.append(labels)
    out.append("} ")
  }

  /// The buckets of `TimeScale.coarse`, a sum and a count.
  ///
  /// - Parameters:
  ///   - counts: Of each bucket, and of what is beyond the last.
  ///   - inDecades: The buckets are those of whole decades.
  package func histogram(
    _ family: Family, _ labels: [UInt8], sumNs: UInt64, _ out: ByteBuffer, _ counts: UnsafeBufferPointer<UInt64>,
    inDecades: Bool = false
  ) {
    // All lines of buckets begin alike: the first is written, the others copy it.
    let start = out.count
    out.append(family.name)
    out.append("_bucket{")
    out.append(labels)
    out.append(labels.isEmpty ? "le=\"" : ",le=\"")
    let prefixCount = out.count - start
    let tails = inDecades ? BucketTails.decades : BucketTails.halfDecades
    out.reserve(counts.count * (prefixCount + tails.longest + 21))
    var line = BucketLine(to: out.base + out.count)
    tails.bytes.withUnsafeBytes { bytes in
      for (bucket, count) in counts.enumerated() {
        if bucket > 0 { line.copy(out.base + start, prefixCount) }
        line.copy(bytes.baseAddress! + bucket * tails.longest, Int(tails.lengths[bucket]))
        line.append(total: count)
      }
    }
    out.count = line.target - out.base
    // The count is that of the last bucket, whatever has been added since.
    suffixed(family, "_sum", labels, out)
    out.append(seconds: sumNs)
    out.append("\n")
    suffixed(family, "_count", labels, out)
    out.append(decimal: line.total)
    out.append("\n")
  }

  private func suffixed(_ family: Family, _ suffix: StaticString, _ labels: [UInt8], _ out: ByteBuffer) {
    out.append(family.name)
    out.append(suffix)
    if !labels.isEmpty {
      out.append("{")
      out.append(labels)
      out.append("}")
    }
    out.append(" ")
  }
}

extension ByteBuffer {
  /// Appends a label's value in its quotes.
  package func append(label text: String) {
    append("\"")
    if !text.utf8.contains(where: { $0 == UInt8(ascii: "\\") || $0 == UInt8(ascii: "\"") || $0 == 10 }) {
      append(text)
      append("\"")
      return
    }
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\\"): append("\\\\")
      case UInt8(ascii: "\""): append("\\\"")
      case UInt8(ascii: "\n"): append("\\n")
      default: append(byte)
      }
    }
    append("\"")
  }

  fileprivate func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }

  /// Appends nanoseconds as seconds, exactly.
  package func append(seconds nanoseconds: UInt64) {
    append(decimal: nanoseconds / 1_000_000_000)
    var rest = nanoseconds % 1_000_000_000
    guard rest > 0 else { return }
    append(".")
    var digit: UInt64 = 100_000_000
    while rest > 0 {
      append(UInt8(truncatingIfNeeded: 48 + rest / digit))
      rest %= digit
      digit /= 10
    }
  }
}
