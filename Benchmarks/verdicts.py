#!/usr/bin/env python3
"""How often `stadion bench` is wrong: many benchmarks of equal runners, and of one that is slower on purpose.

The echo runner computes for --base-us in each run. Against itself no difference may be seen, in all but one of 20 runs;
against itself made --effect percent slower, measured by the median latency, it must be called slower in 18 of 20.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODEL = {"format": "echo", "options": {"inputs": "INPUT0:f32[-1,16]", "outputs": "OUTPUT0:f32[-1,16]"}}


def bench(options, models: pathlib.Path, runners: list[str], seed: int) -> dict:
  command = [options.stadion, "bench", "identity", "--models", models, "--manifests", options.manifests]
  for runner in runners:
    command += ["--runner", runner]
  command += ["--duration", options.duration, "--rounds", options.rounds, "--warm-up", "0.5", "--concurrency"]
  command += [options.concurrency, "--seed", seed, "--json", "-"]
  return json.loads(subprocess.run([str(word) for word in command], check=True, capture_output=True).stdout)


def show(run: int, report: dict) -> list[str]:
  words = []
  for comparison in report["comparisons"]:
    time = comparison["time"]
    words.append(comparison["verdict"])
    lost = report["machine"]["lostShare"] * 100
    print(
      f"  {run:2} {comparison['load']}: {time['estimate']:.3f} ({time['low']:.3f}–{time['high']:.3f})"
      f" {comparison['verdict']}; the machine loses {lost:.1f} %",
      flush=True,
    )
  return words


def main():
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--stadion", default=ROOT / ".build/release/stadion")
  parser.add_argument("--manifests", default=ROOT / "runner-manifests")
  parser.add_argument("--runs", type=int, default=20)
  parser.add_argument("--only", choices=["equal", "slower"])
  parser.add_argument("--base-us", type=float, default=200)
  parser.add_argument("--effect", type=float, default=5, help="percent")
  parser.add_argument("--duration", type=float, default=5)
  parser.add_argument("--rounds", type=int, default=150)
  parser.add_argument("--concurrency", default="1")
  options = parser.parse_args()
  failed = False
  with tempfile.TemporaryDirectory() as folder:
    models = pathlib.Path(folder)
    (models / "identity" / "1").mkdir(parents=True)
    (models / "identity" / "model.json").write_text(json.dumps(MODEL))
    base = f"echo,delay_ns={options.base_us * 1000:.0f}"
    if options.only != "slower":
      print("equal runners")
      wrong = sum(
        any(word in ("faster", "slower") for word in show(run, bench(options, models, [base, base], run)))
        for run in range(options.runs)
      )
      print(f"false verdicts: {wrong} of {options.runs}; at most {options.runs // 20} may be")
      failed |= wrong > options.runs // 20
    if options.only != "equal":
      report = bench(options, models, [base], 99)
      median = report["runners"][0]["loads"][0]["latencyNs"]["p50"]
      slower = f"echo,delay_ns={options.base_us * 1000 + median * options.effect / 100:.0f}"
      print(f"{options.effect} % slower: {base} has a median of {median / 1000:.1f} µs, beside {slower}")
      found = sum(
        all(word == "slower" for word in show(run, bench(options, models, [base, slower], run)))
        for run in range(options.runs)
      )
      print(f"found: {found} of {options.runs}; at least {options.runs * 9 // 10} must be")
      failed |= found < options.runs * 9 // 10
  sys.exit(failed)


if __name__ == "__main__":
  main()
