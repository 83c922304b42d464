"""What scripts/gpu_suite.sh runs: checks first, then times, each written down as it is known.

Every section is a process of its own with a budget of seconds, since a kernel that goes astray
takes the process's CUDA context with it: what fails is reported, the others still run. (--quick
runs all in one process, to be quick.) A section writes FOLDER/parts/SECTION.jsonl line by line;
after each, suite.json and suite.md are made anew from all lines.
"""

import argparse
import glob
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from genmo_kernels.results import Ceilings, Check, Timing, Work

LIMIT_S = 570  # of the whole run
LEAST_S = 12  # with less left, a section isn't begun
SECTIONS = {
    "ceilings": 40,
    "parity": 150,
    "decode": 130,
    "attention": 130,
    "step": 120,
    "graphs": 60,
    "small": 45,
    "soak": 60,
    "roofline": 45,
    "memcheck": 90,
    "racecheck": 90,
}
"""Section to its budget, seconds; together they are more than the limit, none takes all of its."""

TARGETS = (
    ("decode S=256 W=120", "ring_decode", "floor", 0.8),
    ("decode S=1024 W=120", "ring_decode", "floor", 0.8),
    ("decode S=256 W=120", "ring_decode", "FlexAttention on the ring", 2.0),
    ("decode S=1024 W=120", "ring_decode", "FlexAttention on the ring", 2.0),
    ("decode S=256 W=120", "ring_decode", "torch ops on the ring", 3.0),
    ("decode S=1024 W=120", "ring_decode", "torch ops on the ring", 3.0),
    ("attention fwd+bwd", "windowed_attention", "FlexAttention, cached mask", 1.3),
    ("attention fwd+bwd", "windowed_attention", "masked SDPA", 2.0),
    ("attention fwd+bwd", "windowed_attention", "einsum", 4.0),
    ("step S=256 W=120", "streaming", "recompute", 8.0),
    ("step S=1024 W=120", "streaming", "recompute", 9.0),
)
"""Case, contender, rival, how many times faster; against the floor, the share of it reached."""

STEP_TARGETS_US = {1: 250, 64: 300, 256: 600, 1024: 1800}
"""Streams to the longest that a whole step at W=120 may take."""


@dataclass(slots=True)
class Report:
    """Everything seen in a run."""

    machine: str = "no machine answered"
    torch: str = "?"
    triton: str = "?"
    quick: bool = False
    seconds: float = 0.0
    ceilings: Ceilings | None = None
    checks: list[Check] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    works: list[Work] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)  # sections that broke off, and why
    left_out: list[str] = field(default_factory=list)  # what wasn't begun, and why

    def read(self, part: Path) -> None:
        """Adds the lines of a section."""
        for text in part.read_text().splitlines():
            line = json.loads(text)
            match line.pop("kind"):
                case "machine":
                    self.machine, self.torch, self.triton = (
                        line[name] for name in ("machine", "torch", "triton")
                    )
                case "ceilings":
                    self.ceilings = Ceilings(**line)
                case "check":
                    self.checks.append(Check(**line))
                case "timing":
                    self.timings.append(Timing(**line))
                case "work":
                    self.works.append(Work(**line))
                case "failed":
                    self.failed.append(line["why"])
                case "left out":
                    self.left_out.append(line["why"])

    @property
    def wrong(self) -> list[Check]:
        """Checks that did not pass."""
        return [check for check in self.checks if not check.passed]

    def time_of(self, case: str, contender: str) -> Timing | None:
        """The timing of a contender in the case whose name begins so."""
        for timing in self.timings:
            words = (timing.case + " ").startswith(case + " ")
            if words and timing.contender == contender and timing.microseconds is not None:
                return timing
        return None


# ---- the parent: one process after the other, none of them trusted --------------------------


def run_all(folder: Path, names: Sequence[str], quick: bool) -> Report:
    """Runs the sections and keeps the report on disk up to date."""
    report = Report(quick=quick)
    parts = folder / "parts"
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir(parents=True)
    began = time.monotonic()
    groups = [list(names)] if quick else [[name] for name in names]
    for group in groups:
        title = "+".join(group) if len(group) == 1 else "all"
        part = parts / f"{title}.jsonl"
        part.touch()
        left = LIMIT_S - (time.monotonic() - began)
        if left < LEAST_S:
            report.left_out.append(f"{title}: no time left")
        else:
            print(f"\n== {title}", flush=True)
            command = [*_child(title, folder), str(part), *(["--quick"] if quick else [])]
            command += ["--sections", *group]
            why = run_apart(command, min(left, LIMIT_S if quick else SECTIONS[title]))
            report.read(part)
            if why is not None:
                log = parts / f"{title}.log"
                why += f"; {_last_line(log)}" if log.exists() else ""
                report.failed.append(f"{title}: {why}")
                print(f"FAILED {title}: {why}", flush=True)
        report.seconds = time.monotonic() - began
        write(report, folder)
    return report


def run_apart(command: Sequence[str], budget_s: float) -> str | None:
    """Runs a process, and everything that it starts, for so many seconds; why it failed."""
    process = subprocess.Popen(command, start_new_session=True)
    try:
        code = process.wait(budget_s)
    except (subprocess.TimeoutExpired, KeyboardInterrupt) as end:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(end, KeyboardInterrupt):
            raise
        return f"stopped after {budget_s:.0f} s, what it had found until then stands above"
    if code < 0:
        return f"ended by signal {-code}"
    return None if code == 0 else f"ended with code {code}"


def _child(title: str, folder: Path) -> list[str]:
    """The command of a section, under compute-sanitizer where that is what it is about."""
    own = [sys.executable, str(Path(__file__).resolve())]
    sanitizer = find_sanitizer()
    if title in ("memcheck", "racecheck") and sanitizer is not None:
        log = folder / "parts" / f"{title}.log"
        tool = [sanitizer, "--tool", title, "--error-exitcode", "9", "--log-file", str(log)]
        if title == "memcheck":  # torch asks the driver for what it may lack; that is no error
            tool += ["--report-api-errors", "no"]
        return ["env", "PYTORCH_NO_CUDA_MEMORY_CACHING=1", *tool, *own]
    return own


def find_sanitizer() -> str | None:
    """compute-sanitizer, wherever CUDA or pip put it."""
    found = shutil.which("compute-sanitizer")
    if found is not None:
        return found
    places = [
        os.path.join(os.environ.get("CUDA_HOME", "/usr/local/cuda"), "bin"),
        "/usr/local/cuda*/bin",
        "/usr/local/cuda*/compute-sanitizer",
        os.path.join(sys.prefix, "lib/python3*/site-packages/nvidia/*/bin"),
    ]
    for place in places:
        for path in sorted(glob.glob(os.path.join(place, "compute-sanitizer"))):
            if os.access(path, os.X_OK):
                return path
    return None


def _last_line(log: Path) -> str:
    """compute-sanitizer's summary."""
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1] if lines else "its log is empty"


# ---- the child: one section, or several ------------------------------------------------------


class Part:
    """Where a section writes what it finds, line by line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def known_ceilings(self) -> Ceilings | None:
        """What this section or one before it found."""
        known = Report()
        for part in sorted(self._path.parent.glob("*.jsonl")):
            known.read(part)
        return known.ceilings

    def add(self, kind: str, **line: Any) -> None:
        """One line."""
        with self._path.open("a") as file:
            file.write(json.dumps({"kind": kind} | line) + "\n")

    def checks(self, checks: Iterator[Check]) -> None:
        """Checks as they are done."""
        for check in checks:
            self.add("check", **asdict(check))
            mark = "ok   " if check.passed else "WRONG"
            print(f"{mark} {check.name}: {check.error:.1e}, allowed {check.bound:.1e}", flush=True)

    def timings(self, timings: Iterator[Timing]) -> None:
        """Timings as they are done."""
        for timing in timings:
            self.add("timing", **asdict(timing))
            print(_line(timing), flush=True)


def run_sections(part: Part, names: Sequence[str], quick: bool) -> bool:
    """Runs sections in this process; True if none broke off."""
    import torch
    import triton

    device = torch.device("cpu" if quick else "cuda")
    machine = platform.machine() if quick else torch.cuda.get_device_name(device)
    part.add("machine", machine=machine, torch=torch.__version__, triton=triton.__version__)
    whole = True
    for name in names:
        try:
            _sections(part, device, quick, part.known_ceilings())[name]()
        except Exception as error:
            import traceback

            traceback.print_exc()
            first = (str(error).strip().splitlines() or [""])[0][:200]
            part.add("failed", why=f"{name}: {type(error).__name__}: {first}")
            whole = False
    return whole


def _sections(
    part: Part, device: Any, quick: bool, known: Ceilings | None
) -> dict[str, Callable[[], None]]:
    import torch

    from genmo_kernels import bench, parity, timing, work

    size, load = (parity.QUICK, bench.QUICK) if quick else (parity.GPU, bench.GPU)
    # Triton's interpreter multiplies bfloat16 as integers
    half = (torch.float16,) if quick else (torch.bfloat16, torch.float16)
    bandwidth = known.bandwidth if known else None

    def ceilings() -> None:
        found = timing.ceilings(device, load.dtype, load.copy_bytes)
        part.add("ceilings", **asdict(found))
        print(
            f"copy {found.bandwidth / 1e3:.0f} GB/s, {found.what} {found.flops / 1e6:.0f} TFLOP/s"
        )

    def parity_of_all() -> None:
        # What torch.empty gives is NaN: whatever a kernel forgets to write shows.
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            part.checks(parity.all_checks(device, size, (*half, torch.float32)))
        finally:
            torch.use_deterministic_algorithms(False)

    def graphs() -> None:
        import gpu_step

        part.checks(parity.graph_checks(device, size, half[0]))
        part.checks(gpu_step.checks(device, quick))

    def step() -> None:
        import gpu_step

        part.timings(gpu_step.timings(device, load, quick))

    def soak() -> None:
        part.checks(iter([parity.soak_check(device, size)]))

    def roofline() -> None:
        amount = work.QUICK if quick else work.ON_GPU
        for run in work.measure(device, amount):
            part.add("work", **asdict(run))
            print(f"{run.name:40} {run.microseconds:10.1f} µs", flush=True)

    def sanitized(tool: str) -> None:
        if quick or find_sanitizer() is None:
            part.add("left out", why=f"{tool}: no compute-sanitizer here")
        else:
            part.checks(parity.all_checks(device, parity.TINY, half[:1]))

    return {
        "ceilings": ceilings,
        "parity": parity_of_all,
        "decode": lambda: part.timings(bench.decode_timings(device, load, bandwidth)),
        "attention": lambda: part.timings(bench.windowed_timings(device, load)),
        "step": step,
        "graphs": graphs,
        "small": lambda: part.timings(bench.small_timings(device, load)),
        "soak": soak,
        "roofline": roofline,
        "memcheck": lambda: sanitized("memcheck"),
        "racecheck": lambda: sanitized("racecheck"),
    }


# ---- the report ------------------------------------------------------------------------------


def write(report: Report, folder: Path) -> None:
    """suite.json for machines, suite.md for docs/measurements, roofline.svg to look at."""
    from genmo_kernels.roofline import svg

    checks = [asdict(check) | {"passed": check.passed} for check in report.checks]
    as_json = json.dumps(asdict(report) | {"checks": checks}, indent=1)
    (folder / "suite.json").write_text(as_json + "\n")
    (folder / "suite.md").write_text(markdown(report))
    if report.works and report.ceilings:
        picture = svg(report.works, report.ceilings, f"genmo_kernels on {report.machine}")
        (folder / "roofline.svg").write_text(picture)


def markdown(report: Report) -> str:
    """For docs/measurements."""
    passed = len(report.checks) - len(report.wrong)
    lines = [
        "# The kernels on one machine",
        "",
        f"{report.machine}, torch {report.torch}, triton {report.triton}, "
        f"{report.seconds:.0f} s in all; repeat with `scripts/gpu_suite.sh FOLDER`.",
        "",
    ]
    if report.quick:
        lines += ["**A quick run in the interpreter: its times mean nothing.**", ""]
    lines += [f"Checks: {passed} of {len(report.checks)} passed.", ""]
    lines += [f"- wrong: {c.name}, {c.error:.1e} where {c.bound:.1e}" for c in report.wrong]
    lines += [f"- broke off: {why}" for why in report.failed]
    lines += [f"- left out: {why}" for why in report.left_out]
    if report.ceilings is not None:
        lines += [
            "",
            f"Copy: {report.ceilings.bandwidth / 1e3:.0f} GB/s, read and written; product in "
            f"{report.ceilings.what}: {report.ceilings.flops / 1e6:.0f} TFLOP/s.",
        ]
    lines += ["", "## Targets", "", "| target | asked | reached | |", "|---|---|---|---|"]
    lines += _targets(report)
    lines += ["", "## Times", "", "| case | who | µs | of the floor |", "|---|---|---|---|"]
    for timing in report.timings:
        took = timing.note if timing.microseconds is None else f"{timing.microseconds:.1f}"
        share = ""
        if timing.floor and timing.microseconds:
            share = f"{timing.floor / timing.microseconds:.0%}"
        lines.append(f"| {timing.case} | {timing.contender} | {took} | {share} |")
    if report.works and report.ceilings:
        lines += [
            "",
            "## Against both ceilings",
            "",
            "| op | µs | of its ceiling |",
            "|---|---|---|",
        ]
        lines += [
            f"| {w.name} | {w.microseconds:.1f} | {w.share(report.ceilings):.0%} |"
            for w in report.works
        ]
    lines += ["", "## Checks", "", "| what | error | allowed |", "|---|---|---|"]
    lines += [f"| {c.name} | {c.error:.1e} | {c.bound:.1e} |" for c in report.checks]
    return "\n".join(lines) + "\n"


def _targets(report: Report) -> Iterator[str]:
    for case, contender, rival, asked in TARGETS:
        reached = _reached(report, case, contender, rival)
        shown = "not measured" if reached is None else f"{reached:.2f}"
        met = "" if reached is None else ("met" if reached >= asked else "**missed**")
        yield f"| {case}: {contender} against {rival} | ≥ {asked} | {shown} | {met} |"
    for streams, most in STEP_TARGETS_US.items():
        timing = report.time_of(f"step S={streams} W=120", "streaming")
        took = None if timing is None else timing.microseconds
        shown = "not measured" if took is None else f"{took:.0f} µs"
        met = "" if took is None else ("met" if took <= most else "**missed**")
        yield f"| whole step, S={streams} | ≤ {most} µs | {shown} | {met} |"


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


def _line(timing: Timing) -> str:
    if timing.microseconds is None:
        return f"{timing.case:45} {timing.contender:28} {timing.note}"
    share = f"  {timing.floor / timing.microseconds:.0%} of the floor" if timing.floor else ""
    return f"{timing.case:45} {timing.contender:28} {timing.microseconds:10.1f} µs{share}"


def main() -> None:
    """The parent, or with a part's file the child; ends with an error if anything went wrong."""
    parser = argparse.ArgumentParser(prog="scripts/gpu_suite.sh", description=__doc__)
    parser.add_argument("folder", type=Path, help="for the report (of a child: its .jsonl)")
    parser.add_argument("--quick", action="store_true", help="small, on the CPU, interpreted")
    parser.add_argument(
        "--sections", nargs="+", choices=list(SECTIONS), default=list(SECTIONS), metavar="NAME"
    )
    chosen = parser.parse_args()
    if chosen.folder.suffix == ".jsonl":
        whole = run_sections(Part(chosen.folder), chosen.sections, chosen.quick)
        sys.exit(0 if whole else 1)
    if not chosen.quick and not _gpu_here():
        sys.exit("no CUDA GPU here; --quick tests this script on the CPU")
    report = run_all(chosen.folder, chosen.sections, chosen.quick)
    print("\n" + markdown(report))
    if report.wrong:
        sys.exit("a kernel gives wrong results on this machine")
    if report.failed:
        sys.exit("a section broke off; the report says which and why")


def _gpu_here() -> bool:
    """Asked in a process of its own: the parent keeps clear of CUDA."""
    ask = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([sys.executable, "-c", ask]).returncode == 0


if __name__ == "__main__":
    main()
