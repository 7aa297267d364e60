import CLinux
import Routing
import Telemetry
import Wire

/// The statistics extension. protocol.md section 14.
extension Routes {
  func statistics(of versions: [ServedVersion]) -> JSONValue {
    ["model_stats": .array(versions.map { statistics(of: $0) })]
  }

  private func statistics(of served: ServedVersion) -> JSONValue {
    let statistics = served.statistics
    let infer = duration(statistics.computeInfer)
    // No request is run together with others yet, and a request is one item: models have no batch dimension of the host's.
    let batches: [JSONValue] =
      statistics.computeInfer.count == 0
      ? []
      : [
        [
          "batch_size": 1, "compute_input": duration(statistics.computeInput), "compute_infer": infer,
          "compute_output": duration(statistics.computeOutput),
        ]
      ]
    return [
      "name": .string(served.model), "version": .string(served.version),
      "last_inference": .integer(wallClockMs(of: statistics.lastInference)),
      "inference_count": .integer(statistics.success.count),
      "execution_count": .integer(statistics.computeInfer.count + statistics.failedRuns.count),
      "inference_stats": [
        "success": duration(statistics.success), "fail": duration(statistics.fail.total),
        "queue": duration(statistics.queue), "compute_input": duration(statistics.computeInput),
        "compute_infer": infer, "compute_output": duration(statistics.computeOutput),
        "cache_hit": ["count": 0, "ns": 0], "cache_miss": ["count": 0, "ns": 0],
      ],
      "response_stats": [:],
      "batch_stats": .array(batches),
      // A runner's process holds its engine and all of its models; what one of them takes it isn't asked.
      "memory_usage": [],
    ]
  }

  private func duration(_ total: DurationTotal) -> JSONValue {
    ["count": .integer(total.count), "ns": .integer(total.nanoseconds)]
  }

  /// Milliseconds since 1970 of a moment on CLOCK_MONOTONIC; 0 for never.
  private func wallClockMs(of monotonicNs: UInt64) -> UInt64 {
    if monotonicNs == 0 { return 0 }
    return (WallClock.nowNs - (linux_now_ns() - monotonicNs)) / 1_000_000
  }
}
