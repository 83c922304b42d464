"""The kernels' machine code for four chips, compiled here without a GPU."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SNAPSHOT = Path(__file__).parent / "aot.json"
MATRIX_UNIT = {"sm_80": "HMMA", "sm_89": "HMMA", "sm_90a": "HGMMA", "sm_100a": "UTCHMMA"}
"""The instruction that multiplies tiles: on sm_100a the one of tcgen05."""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The table of scripts/kernel_table.py, made by a process of its own: ours interprets."""
    folder = tmp_path_factory.mktemp("aot")
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "kernel_table.py"), str(folder / "aot.json")],
        env=environment | {"TRITON_CACHE_DIR": str(folder)},
        check=True,
        capture_output=True,
        text=True,
    )
    table: dict[str, Any] = json.loads((folder / "aot.json").read_text())
    return table


@pytest.mark.slow
def test_kernels_fit_every_chip(compiled: dict[str, Any]) -> None:
    for chip, on_chip in compiled["chips"].items():
        for name, need in on_chip["kernels"].items():
            spilled = need["stack"], need["local"], need["spills"]
            assert spilled == (0, 0, 0), f"{name} on {chip}"
            assert need["shared"] <= on_chip["shared_limit"], f"{name} on {chip}"


@pytest.mark.slow
def test_windowed_attention_uses_the_chips_matrix_unit(compiled: dict[str, Any]) -> None:
    for chip, on_chip in compiled["chips"].items():
        used = {
            need["tensor_core"]
            for name, need in on_chip["kernels"].items()
            if name.startswith("windowed") and "fp32" not in name
        }
        assert used == {MATRIX_UNIT[chip]}, chip


@pytest.mark.slow
def test_decode_loads_its_ring_sixteen_bytes_at_a_time(compiled: dict[str, Any]) -> None:
    for chip, on_chip in compiled["chips"].items():
        for name, need in on_chip["kernels"].items():
            if not name.startswith("ring_decode"):
                continue
            kind, head_dim, window, _ = name.removeprefix("ring_decode ").split()
            slots = 1 << (int(window[1:]) - 1).bit_length()
            ring = 2 * slots * int(head_dim[1:]) * (4 if kind == "fp32" else 2)
            threads = 32 * need["warps"]
            assert need["wide_loads"] >= ring // (16 * threads), f"{name} on {chip}"


@pytest.mark.slow
def test_machine_code_needs_what_the_snapshot_says(compiled: dict[str, Any]) -> None:
    snapshot = json.loads(SNAPSHOT.read_text())
    if compiled["triton"] != snapshot["triton"]:
        pytest.skip(f"the snapshot is of triton {snapshot['triton']}, not {compiled['triton']}")
    assert compiled == snapshot, "run scripts/kernel_table.py tests/genmo_kernels/aot.json"
