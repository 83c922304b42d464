"""The script that measures a GPU works, tried small on the CPU."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from genmo_kernels.results import Check, Timing

ROOT = Path(__file__).parents[2]


def _script() -> ModuleType:
    """scripts/gpu_suite.py as a module."""
    spec = importlib.util.spec_from_file_location("gpu_suite", ROOT / "scripts" / "gpu_suite.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_suite"] = module  # where its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a quick run."""
    folder = tmp_path_factory.mktemp("suite")
    subprocess.run(
        [str(ROOT / "scripts" / "gpu_suite.sh"), str(folder), "--quick"],
        env=os.environ | {"PYTHON": sys.executable},
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture(scope="module")
def report(suite: Path) -> dict[str, Any]:
    """What it wrote for machines."""
    parsed: dict[str, Any] = json.loads((suite / "suite.json").read_text())
    return parsed


def test_quick_suite_runs_every_section(report: dict[str, Any]) -> None:
    assert report["failed"] == []
    assert report["left_out"] == [
        f"{tool}: no compute-sanitizer here" for tool in ("memcheck", "racecheck")
    ]
    assert report["ceilings"]["bandwidth"] > 0
    assert len(report["works"]) == 5


def test_quick_suite_checks_every_op_and_the_engines_step(report: dict[str, Any]) -> None:
    assert all(check["passed"] for check in report["checks"])
    names = [check["name"] for check in report["checks"]]
    ops = {"windowed_attention", "ring_decode", "rot6d_fk", "nv12_crop"}
    assert {name.split()[0] for name in names} == ops | {"engine"}
    assert {name.split()[0] for name in names if "graph against eager" in name} == ops
    assert {name.split()[0] for name in names if name.endswith(" runs")} == ops
    assert "ring_decode fp32 20 steps" in names


def test_quick_suite_times_our_ops_and_rivals(report: dict[str, Any]) -> None:
    timed = {t["contender"] for t in report["timings"] if t["microseconds"] is not None}
    assert {
        "ring_decode",
        "torch ops on the ring",
        "FlexAttention on the ring",
        "windowed_attention",
        "FlexAttention, cached mask",
        "masked SDPA",
        "einsum",
        "streaming",
        "recompute",
        "rot6d_fk",
        "nv12_crop",
    } <= timed
    decoded = [t for t in report["timings"] if t["contender"] == "ring_decode"]
    assert all(t["floor"] > 0 for t in decoded)  # the copy of the same run


def test_quick_suite_says_that_its_times_mean_nothing(suite: Path) -> None:
    assert "times mean nothing" in (suite / "suite.md").read_text()
    assert (suite / "roofline.svg").read_text().startswith("<svg")


def test_a_section_that_dies_is_reported_with_what_it_had_found(tmp_path: Path) -> None:
    script = _script()
    part = tmp_path / "parity.jsonl"
    script.Part(part).checks(iter([Check("before the crash", 0.0, 0.0)]))
    aborts = "import os, signal; os.kill(os.getpid(), signal.SIGABRT)"
    assert script.run_apart([sys.executable, "-c", aborts], 60) == "ended by signal 6"
    fails = "raise SystemExit(3)"
    assert script.run_apart([sys.executable, "-c", fails], 60) == "ended with code 3"
    assert script.run_apart([sys.executable, "-c", ""], 60) is None
    report = script.Report()
    report.read(part)
    assert [check.name for check in report.checks] == ["before the crash"]


def test_a_section_that_hangs_is_stopped_with_all_it_started(tmp_path: Path) -> None:
    script = _script()
    started = tmp_path / "pid"
    hangs = (
        "import subprocess, sys, time; from pathlib import Path; "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        f"Path({str(started)!r}).write_text(str(child.pid)); time.sleep(60)"
    )
    assert "stopped after 2 s" in script.run_apart([sys.executable, "-c", hangs], 2)
    child = Path("/proc") / started.read_text() / "stat"
    for _ in range(100):  # a killed process may wait a moment for whoever reaps it
        if not child.exists() or child.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return
        time.sleep(0.05)
    raise AssertionError("the section's own child is still running")


def test_a_section_that_raises_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = _script()

    def broken() -> None:
        raise RuntimeError("no such instruction\nand a long story")

    def fine() -> None:
        part.checks(iter([Check("still run", 0.0, 0.0)]))

    part = script.Part(tmp_path / "all.jsonl")
    monkeypatch.setattr(script, "_sections", lambda *_: {"parity": broken, "soak": fine})
    assert not script.run_sections(part, ["parity", "soak"], quick=True)
    report = script.Report()
    report.read(tmp_path / "all.jsonl")
    assert report.failed == ["parity: RuntimeError: no such instruction"]
    assert [check.name for check in report.checks] == ["still run"]


def test_report_compares_with_the_targets() -> None:
    script = _script()
    report = script.Report(
        checks=[Check("ring_decode bf16", 0.5, 0.1)],
        timings=[
            Timing("decode S=256 W=120", "ring_decode", 50.0, floor=45.0),
            Timing("decode S=256 W=120", "FlexAttention on the ring", 75.0),
            Timing("decode S=256 W=120", "torch ops on the ring", None, note="wrong by 1"),
            Timing("step S=256 W=120", "streaming", 601.0),
        ],
    )
    text = script.markdown(report)
    assert "| decode S=256 W=120: ring_decode against floor | ≥ 0.8 | 0.90 | met |" in text
    assert "FlexAttention on the ring | ≥ 2.0 | 1.50 | **missed** |" in text
    assert "against torch ops on the ring | ≥ 3.0 | not measured |  |" in text
    assert "| whole step, S=256 | ≤ 600 µs | 601 µs | **missed** |" in text
    assert "Checks: 0 of 1 passed" in text
    assert "- wrong: ring_decode bf16, 5.0e-01 where 1.0e-01" in text


def test_suite_needs_torch_triton_and_numpy_only() -> None:
    blocked = "safetensors rich av cv2 mediapipe aiortc starlette scipy cuda librosa transformers"
    code = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked.split()!r}:
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
import gpu_step, gpu_suite
from genmo_kernels import bench, parity, work
"""
    folders = [str(ROOT / name) for name in ("", "kernels", "scripts")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(folders)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_suite_without_a_gpu_says_what_to_do(tmp_path: Path) -> None:
    run = subprocess.run(
        [str(ROOT / "scripts" / "gpu_suite.sh"), str(tmp_path)],
        env=os.environ | {"PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert "no CUDA GPU here; --quick tests this script on the CPU" in run.stderr
