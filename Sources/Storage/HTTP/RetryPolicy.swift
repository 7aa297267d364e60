/// How often and after which pauses something is tried again.
package struct RetryPolicy: Sendable {
  /// In a row without progress.
  package var maxTries = 6
  package var firstPause = Duration.milliseconds(100)
  package var longestPause = Duration.seconds(10)

  package init() {}

  /// A random pause below a bound that doubles: clients that failed together don't come back together.
  ///
  /// - Parameter wanted: What the server asks for; honoured up to `longestPause`.
  func pause(after tries: Int, wanted: Duration?) -> Duration {
    let bound = min(firstPause * (1 << min(tries - 1, 20)), longestPause)
    let random = bound * Double.random(in: 0...1)
    return max(random, min(wanted ?? .zero, longestPause))
  }
}
