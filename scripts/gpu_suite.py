"""What scripts/gpu_suite.sh runs: checks first, then times, each section written as it ends."""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import torch
import triton
from torch import Tensor

from genmo_kernels import bench, parity
from genmo_kernels.bench import Load, Timing
from genmo_kernels.parity import Check
from genmo_kernels.ring_decode.api import ring_decode
from genmo_kernels.windowed_attention.api import windowed_attention
from genmo_rt.model import PRESETS, Block, ModelConfig

LAST_START_S = 420  # a section that hasn't begun by then is left out: ten minutes are the limit
ALL_DTYPES = (torch.bfloat16, torch.float16, torch.float32)
TINY = ModelConfig(width=32, layers=2, heads=1, head_dim=32)

TARGETS = (
    ("decode S=256", "ring_decode", "floor", 0.8),
    ("decode S=1024", "ring_decode", "floor", 0.8),
    ("decode S=256", "ring_decode", "FlexAttention on the ring", 2.0),
    ("decode S=256", "ring_decode", "torch ops on the ring", 3.0),
    ("attention fwd+bwd", "windowed_attention", "FlexAttention, cached mask", 1.3),
    ("attention fwd+bwd", "windowed_attention", "masked SDPA", 2.0),
    ("attention fwd+bwd", "windowed_attention", "einsum", 4.0),
    ("step S=256", "streaming", "recompute", 8.0),
    ("step S=1024", "streaming", "recompute", 9.0),
)
"""Case, contender, rival, how many times faster; against the floor, the share of it reached."""


@dataclass(slots=True)
class Report:
    """Everything seen in a run."""

    machine: str
    torch: str
    triton: str
    quick: bool
    seconds: float = 0.0
    copy_gigabytes_per_second: float | None = None
    checks: list[Check] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def time_of(self, case: str, contender: str) -> Timing | None:
        """The timing of a contender in the case whose name begins so."""
        for timing in self.timings:
            words = timing.case.startswith(case + " ")
            if words and timing.contender == contender and timing.microseconds is not None:
                return timing
        return None


def step_timings(device: torch.device, load: Load, config: ModelConfig) -> Iterator[Timing]:
    """All blocks for one new frame of S streams against recomputing their window, as graphs."""
    torch.manual_seed(0)
    blocks = [Block(config).to(device, load.dtype).eval() for _ in range(config.layers)]
    for streams in load.streams:
        new = torch.randn(streams, config.width, device=device).to(load.dtype)
        window = torch.randn(streams, load.window, config.width, device=device).to(load.dtype)
        ring = (config.layers, 2, streams, config.heads, load.window, config.head_dim)
        rings = torch.zeros(ring, device=device, dtype=load.dtype)
        tick = torch.full((streams,), 5 * load.window, device=device)

        def streaming(new: Tensor = new, rings: Tensor = rings, tick: Tensor = tick) -> Tensor:
            x = new
            for block, (keys, values) in zip(blocks, rings, strict=True):
                attend = partial(ring_decode, keys=keys, values=values, tick=tick, backend="triton")
                x = block(x, attend)
            return x

        def recompute(window: Tensor = window, left: int = load.window - 1) -> Tensor:
            x = window
            attend = partial(windowed_attention, left=left, right=0, backend="triton")
            for block in blocks:
                x = block(x, attend)
            return x

        for name, run in (("streaming", streaming), ("recompute", recompute)):
            with torch.no_grad():
                took = bench.microseconds(run, device, 1)
            yield Timing(f"step S={streams} W={load.window}", name, took)


def sections(
    report: Report, device: torch.device, quick: bool
) -> Iterator[tuple[str, Callable[[], None]]]:
    """The parts of a run, by name."""
    size, load = (parity.QUICK, bench.QUICK) if quick else (parity.GPU, bench.GPU)
    # Triton's interpreter multiplies bfloat16 as integers
    dtypes = (torch.float16, torch.float32) if quick else ALL_DTYPES
    bandwidth = 0.0

    def checks() -> None:
        for check in parity.all_checks(device, size, dtypes):
            report.checks.append(check)
            mark = "ok   " if check.passed else "WRONG"
            print(f"{mark} {check.name}: {check.error:.1e}, allowed {check.bound:.1e}", flush=True)

    def copy() -> None:
        nonlocal bandwidth
        bandwidth = bench.copy_bandwidth(device, load.copy_bytes)
        report.copy_gigabytes_per_second = bandwidth / 1e3
        print(f"copy: {bandwidth / 1e3:.0f} GB/s", flush=True)

    def timed(timings: Callable[[], Iterator[Timing]]) -> None:
        for timing in timings():
            report.timings.append(timing)
            print(_line(timing), flush=True)

    yield "parity and soak", checks
    yield "copy", copy
    yield "decode", lambda: timed(lambda: bench.decode_timings(device, load, bandwidth))
    yield "attention", lambda: timed(lambda: bench.windowed_timings(device, load))
    config = TINY if quick else PRESETS["base"]
    yield "step", lambda: timed(lambda: step_timings(device, load, config))


def _line(timing: Timing) -> str:
    if timing.microseconds is None:
        return f"{timing.case:45} {timing.contender:28} {timing.note}"
    share = f"  {timing.floor / timing.microseconds:.0%} of the floor" if timing.floor else ""
    return f"{timing.case:45} {timing.contender:28} {timing.microseconds:10.1f} µs{share}"


def markdown(report: Report) -> str:
    """For docs/measurements."""
    passed = sum(check.passed for check in report.checks)
    lines = [
        "# The kernels on one machine",
        f"{report.machine}, torch {report.torch}, triton {report.triton}, "
        f"{report.seconds:.0f} s in all; repeat with `scripts/gpu_suite.sh FOLDER`.",
        "",
    ]
    if report.quick:
        lines += ["**A quick run in the interpreter: its times mean nothing.**", ""]
    lines += [f"Checks: {passed} of {len(report.checks)} passed.", ""]
    lines += [f"- wrong: {c.name}, {c.error:.1e}" for c in report.checks if not c.passed]
    lines += [f"- left out: {name}" for name in report.left_out]
    if report.copy_gigabytes_per_second is not None:
        lines += ["", f"Copy: {report.copy_gigabytes_per_second:.0f} GB/s, read and written."]
    lines += ["", "| case | who | µs | of the floor |", "|---|---|---|---|"]
    for timing in report.timings:
        took = timing.note if timing.microseconds is None else f"{timing.microseconds:.1f}"
        share = ""
        if timing.floor and timing.microseconds:
            share = f"{timing.floor / timing.microseconds:.0%}"
        lines.append(f"| {timing.case} | {timing.contender} | {took} | {share} |")
    lines += ["", "| target | asked | reached |", "|---|---|---|"]
    for case, contender, rival, asked in TARGETS:
        reached = _reached(report, case, contender, rival)
        shown = "not measured" if reached is None else f"{reached:.2f}"
        lines.append(f"| {case}: {contender} against {rival} | {asked} | {shown} |")
    return "\n".join(lines) + "\n"


def _reached(report: Report, case: str, contender: str, rival: str) -> float | None:
    mine = report.time_of(case, contender)
    if mine is None or mine.microseconds is None:
        return None
    if rival == "floor":
        return None if mine.floor is None else mine.floor / mine.microseconds
    other = report.time_of(case, rival)
    if other is None or other.microseconds is None:
        return None
    return other.microseconds / mine.microseconds


def _write(report: Report, folder: Path) -> None:
    checks = [asdict(check) | {"passed": check.passed} for check in report.checks]
    as_json = json.dumps(asdict(report) | {"checks": checks}, indent=1)
    (folder / "suite.json").write_text(as_json + "\n")
    (folder / "suite.md").write_text(markdown(report))


def main() -> None:
    """Runs the sections; ends with an error if a check failed."""
    parser = argparse.ArgumentParser(prog="scripts/gpu_suite.sh", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true", help="small, on the CPU, interpreted")
    chosen = parser.parse_args()
    if not chosen.quick and not torch.cuda.is_available():
        sys.exit("no CUDA GPU here; --quick tests this script on the CPU")
    device = torch.device("cpu" if chosen.quick else "cuda")
    name = platform.processor() or platform.machine()
    report = Report(
        machine=name if chosen.quick else torch.cuda.get_device_name(device),
        torch=torch.__version__,
        triton=triton.__version__,
        quick=chosen.quick,
    )
    chosen.folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    for title, run in sections(report, device, chosen.quick):
        wrong = not all(check.passed for check in report.checks)
        if wrong or time.monotonic() - began > LAST_START_S:
            report.left_out.append(f"{title}: {'a check failed' if wrong else 'no time left'}")
        else:
            print(f"\n== {title}", flush=True)
            run()
        report.seconds = time.monotonic() - began
        _write(report, chosen.folder)
    print("\n" + markdown(report))
    if not all(check.passed for check in report.checks):
        sys.exit("a kernel gives wrong results on this machine")


if __name__ == "__main__":
    main()
