package import CRunning
import Inference

/// Where the parts of a run lie behind its `shared_run`; the same on both sides.
package struct RunLayout: Sendable {
  private let inputCount: Int
  private let outputRoom: Int

  package init(inputCount: Int, outputRoom: Int) {
    self.inputCount = inputCount
    self.outputRoom = outputRoom
  }

  private static let headerBytes = MemoryLayout<shared_run>.size
  private static let tensorBytes = MemoryLayout<shared_tensor>.size

  /// All of it, up to where tensors may begin.
  package var byteCount: Int {
    (Self.headerBytes + (inputCount + outputRoom) * Self.tensorBytes + outputRoom * 4 + 63) & ~63
  }

  package func input(_ run: UnsafeMutablePointer<shared_run>, _ index: Int) -> UnsafeMutablePointer<shared_tensor> {
    (UnsafeMutableRawPointer(run) + Self.headerBytes + index * Self.tensorBytes).assumingMemoryBound(
      to: shared_tensor.self)
  }

  package func output(_ run: UnsafeMutablePointer<shared_run>, _ place: Int) -> UnsafeMutablePointer<shared_tensor> {
    input(run, inputCount + place)
  }

  package func wanted(_ run: UnsafeMutablePointer<shared_run>) -> UnsafeMutablePointer<UInt32> {
    UnsafeMutableRawPointer(input(run, inputCount + outputRoom)).assumingMemoryBound(to: UInt32.self)
  }

  /// The shape behind a tensor's header, `SHARED_RUN_MAX_RANK` dimensions.
  package static func shape(_ tensor: UnsafeMutablePointer<shared_tensor>) -> UnsafeMutablePointer<Int64> {
    (UnsafeMutableRawPointer(tensor) + MemoryLayout<shared_tensor>.offset(of: \.shape)!).assumingMemoryBound(
      to: Int64.self)
  }
}

/// The host's side of a run in a runner's process. Used again and again by its request.
final class SharedRun {
  private(set) var arena: SharedArena
  private(set) var run: UnsafeMutablePointer<shared_run>
  private(set) var layout: RunLayout
  /// Memory that the run was given for its outputs; nothing outside of it is an output. The first is nearly always all.
  private var firstGiven = 0..<0
  private var moreGiven: [Range<Int>] = []
  private(set) var givenBytes = 0
  /// Why it couldn't be handed over.
  var refusal: HostError?

  init(arena: SharedArena, run: UnsafeMutablePointer<shared_run>, layout: RunLayout) {
    self.arena = arena
    self.run = run
    self.layout = layout
  }

  func begin(arena: SharedArena, run: UnsafeMutablePointer<shared_run>, layout: RunLayout) {
    if self.arena !== arena { self.arena = arena }
    self.run = run
    self.layout = layout
    firstGiven = 0..<0
    if !moreGiven.isEmpty { moreGiven = [] }
    givenBytes = 0
    if refusal != nil { refusal = nil }
  }

  var state: UnsafeMutablePointer<UInt32> { UnsafeMutableRawPointer(run).assumingMemoryBound(to: UInt32.self) }

  func offset(of start: UnsafeRawPointer) -> UInt64 { UInt64(start - UnsafeRawPointer(arena.base)) }

  func give(_ offset: Int, _ byteCount: Int) {
    if givenBytes == 0 {
      firstGiven = offset..<offset + byteCount
    } else {
      moreGiven.append(offset..<offset + byteCount)
    }
    givenBytes += byteCount
  }

  /// Whether a run may say that `byteCount` bytes at `offset` are its output.
  func isGiven(_ offset: UInt64, _ byteCount: UInt64) -> Bool {
    func holds(_ range: Range<Int>) -> Bool {
      offset >= UInt64(range.lowerBound) && offset <= UInt64(range.upperBound)
        && byteCount <= UInt64(range.upperBound) - offset
    }
    return holds(firstGiven) || moreGiven.contains(where: holds)
  }
}
