package import Running

/// A version in a runner's process that has nothing else: whatever it does there, no request notices.
package struct Trial: Sendable {
  package let model: LoadedModel
  private let runner: Runner
  private let places: Places

  init(_ model: LoadedModel, in runner: Runner, _ places: Places) {
    self.model = model
    self.runner = runner
    self.places = places
  }

  /// Ends the process, so that the next trial may begin. To be called once, whatever has come of it.
  package func end() async {
    await stop()
    await places.give()
  }

  func stop() async { await runner.stop() }
}
