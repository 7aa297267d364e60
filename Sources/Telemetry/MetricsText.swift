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
    labels.withUnsafeBytes { sample(family, $0, value, out) }
  }

  package func sample(_ family: Family, _ labels: [UInt8], seconds nanoseconds: UInt64, _ out: ByteBuffer) {
    labels.withUnsafeBytes { name(family, $0, out) }
    out.append(seconds: nanoseconds)
    out.append("\n")
  }

  /// Room is made once: a page has a few of these lines for each model.
  private func name(_ family: Family, _ labels: UnsafeRawBufferPointer, _ out: ByteBuffer) {
    out.reserve(family.name.utf8CodeUnitCount + labels.count + 16)
    var target = out.base + out.count
    func write(_ start: UnsafeRawPointer, _ byteCount: Int) {
      target.copyMemory(from: start, byteCount: byteCount)
      target += byteCount
    }
    func write(_ text: StaticString) { write(text.utf8Start, text.utf8CodeUnitCount) }
    write(family.name)
    if family.kind == .counter { write("_total") }
    if let start = labels.baseAddress, !labels.isEmpty {
      write("{")
      write(start, labels.count)
      write("}")
    }
    write(" ")
    out.count = target - out.base
  }

  package func sample(_ family: Family, _ labels: UnsafeRawBufferPointer, _ value: UInt64, _ out: ByteBuffer) {
    name(family, labels, out)
    out.append(decimal: value)
    out.append("\n")
  }

  /// A histogram of all of `TimeScale.coarse`.
  ///
  /// - Parameter counts: Of each bucket, and of what is beyond the last.
  package func histogram(_ family: Family, _ labels: [UInt8], sumNs: UInt64, _ out: ByteBuffer, _ counts: [UInt64]) {
    labels.withUnsafeBytes { labels in
      var line = beginBuckets(family, labels, .all, out)
      for count in counts { line.append(count) }
      line.end(sumNs: sumNs)
      out.count = line.target - out.base
    }
  }

  /// Its stage says which buckets are shown.
  ///
  /// - Parameter next: What will be written next.
  package func histogram(
    _ family: Family, _ cells: SeriesCells, _ stage: ServiceTimes.Stage, _ out: ByteBuffer, next: SeriesCells? = nil
  ) {
    next?.prefetch(stage)
    let shown = ShownBuckets.of(stage)
    var line = beginBuckets(family, cells.labels, shown, out)
    var cell = 0
    for bucket in 0..<shown.count {
      let end = shown.buckets[bucket].end
      var count: UInt64 = 0
      while cell < end {
        count &+= cells.count(stage, cell)
        cell += 1
      }
      line.append(count)
    }
    line.end(sumNs: cells.sumNs(stage))
    out.count = line.target - out.base
  }

  /// A histogram of runs by their rows.
  ///
  /// - Parameter next: What will be written next.
  package func rows(_ family: Family, _ cells: SeriesCells, _ out: ByteBuffer, next: SeriesCells? = nil) {
    next?.prefetchRows()
    // Read before all runs are, of which they are part.
    let several = InlineArray<7, UInt64> { cells.rowCount($0) }
    let runs = cells.runCount
    var ofSeveral: UInt64 = 0
    for index in several.indices { ofSeveral &+= several[index] }
    var line = beginBuckets(family, cells.labels, .rows, out)
    line.append(runs > ofSeveral ? runs - ofSeveral : 0)
    for index in several.indices { line.append(several[index]) }
    line.end(sum: cells.rowSum(ofRuns: max(runs, ofSeveral)))
    out.count = line.target - out.base
  }

  private func beginBuckets(
    _ family: Family, _ labels: UnsafeRawBufferPointer, _ shown: ShownBuckets, _ out: ByteBuffer
  ) -> BucketLine {
    let start = out.count
    out.append(family.name)
    out.append(BucketLine.suffix)
    out.append(UInt8(ascii: "{"))
    out.append(labels)
    if !labels.isEmpty { out.append(UInt8(ascii: ",")) }
    let prefix = BucketLine.Prefix(
      nameCount: family.name.utf8CodeUnitCount, labelCount: labels.count, count: out.count - start)
    out.reserve(shown.room(prefix.count))
    return BucketLine(at: out.base + start, prefix, shown)
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
