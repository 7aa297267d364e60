extension String {
  /// At most the first 200 characters, for messages: what a client sends comes back, but not all of a megabyte.
  package var excerpt: String { count <= 200 ? self : "\(prefix(200))…" }
}
