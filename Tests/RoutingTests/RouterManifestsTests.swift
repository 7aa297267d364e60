import Inference
@testable import Manifests
import Running
import Testing

@testable import Routing

/// Runners that come and go while models are served.
@Suite struct `Runners dropped in and taken away` {
  private func result(_ fixture: RouterFixture, only ids: String...) -> ManifestSearch.Result {
    var result = ManifestSearch.Result()
    result.manifests = fixture.router.manifests.manifests.filter { ids.contains($0.id) }
    return result
  }

  @Test func `a new runner serves what nobody could before`() async throws {
    let fixture = try RouterFixture()
    let all = fixture.router.manifests
    await fixture.router.update(ManifestSearch.Result())
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    #expect(fixture.served("m").isEmpty)
    await fixture.router.update(all)
    #expect(fixture.served("m") == ["1"])
    #expect(try await fixture.answer("m") == 2)
  }

  @Test func `another runner takes the models of one that is gone`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a") { $0.priority = 2 }, .init(id: "org.b")])
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    #expect(try fixture.version("m").instances[0].runnerID == "org.a")
    await fixture.router.update(result(fixture, only: "org.b"))
    #expect(try fixture.version("m").instances[0].runnerID == "org.b")
    #expect(await fixture.router.runnerReports().map(\.manifest.id) == ["org.b"])
  }

  @Test func `without another the model says what it lacks, until the runner is back`() async throws {
    let fixture = try RouterFixture()
    let all = fixture.router.manifests
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    await fixture.router.update(ManifestSearch.Result())
    #expect(fixture.served("m").isEmpty)
    #expect(await fixture.states("m").first?.contains("its manifest is gone") == true)
    await fixture.router.update(all)
    #expect(fixture.served("m") == ["1"])
  }

  @Test func `an opened runner keeps its manifest and says so`() async throws {
    let fixture = try RouterFixture()
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    var changed = fixture.router.manifests
    changed.manifests[0].priority = 7
    await fixture.router.update(changed)
    let report = await fixture.router.runnerReports()[0]
    #expect(report.manifest.priority == 0)
    #expect(report.reason?.contains("until the host starts again") == true)
    #expect(try await fixture.answer("m") == 2)
  }

  @Test func `a refused runner is tried again`() async throws {
    let fixture = try RouterFixture([.init(id: "org.a", devices: "gpu", claims: ["cpu"])])
    try fixture.write("m", 1, "bias=1")
    await fixture.router.start()
    #expect(fixture.served("m").isEmpty)
    #expect(await fixture.report().state == "refused")
    var changed = fixture.router.manifests
    changed.manifests[0].devices = [.init(kind: .gpu)]
    await fixture.router.update(changed)
    #expect(fixture.served("m") == ["1"])
  }
}
