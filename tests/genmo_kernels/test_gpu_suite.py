"""The script that measures a GPU works, tried small on the CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


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


def test_quick_suite_checks_every_op(report: dict[str, Any]) -> None:
    assert all(check["passed"] for check in report["checks"])
    ops = {check["name"].split()[0] for check in report["checks"]}
    assert ops == {"windowed_attention", "ring_decode"}
    assert report["left_out"] == []


def test_quick_suite_times_our_ops_and_rivals(report: dict[str, Any]) -> None:
    timed = {t["contender"] for t in report["timings"] if t["microseconds"] is not None}
    assert {
        "ring_decode",
        "torch ops on the ring",
        "FlexAttention on the ring",
        "windowed_attention",
        "masked SDPA",
        "einsum",
        "streaming",
        "recompute",
    } <= timed


def test_quick_suite_says_that_its_times_mean_nothing(suite: Path) -> None:
    assert "times mean nothing" in (suite / "suite.md").read_text()


def test_suite_without_a_gpu_says_what_to_do(tmp_path: Path) -> None:
    run = subprocess.run(
        [str(ROOT / "scripts" / "gpu_suite.sh"), str(tmp_path)],
        env=os.environ | {"PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert "no CUDA GPU here; --quick tests this script on the CPU" in run.stderr
