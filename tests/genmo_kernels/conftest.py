"""Loads the kernels into Triton's interpreter, which runs them on the CPU.

The interpreter is chosen by an environment variable when triton and the kernels are imported, and
asked for again while they run. Tests of other folders don't see it.
"""

import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch

KERNELS = (
    "genmo_kernels.nv12_crop.triton",
    "genmo_kernels.ring_decode.triton",
    "genmo_kernels.rot6d_fk.triton",
    "genmo_kernels.windowed_attention.triton",
)


def _load_interpreted() -> None:
    assert "triton" not in sys.modules, "something imported triton before the kernels' tests"
    os.environ["TRITON_INTERPRET"] = "1"
    try:
        for name in KERNELS:
            importlib.import_module(name)
    finally:
        del os.environ["TRITON_INTERPRET"]


def _teach_bfloat16_products() -> None:
    """The interpreter keeps bfloat16 as raw bits and would multiply those as integers."""
    import triton.language as tl
    from triton.runtime.interpreter import InterpreterBuilder

    multiply = InterpreterBuilder.create_dot

    def create_dot(builder: Any, a: Any, b: Any, *rest: Any) -> Any:
        a, b = (
            builder.create_fp_ext(x, tl.float32) if x.dtype.scalar == tl.bfloat16 else x
            for x in (a, b)
        )
        return multiply(builder, a, b, *rest)

    InterpreterBuilder.create_dot = create_dot


if sys.platform == "linux":
    _load_interpreted()
    _teach_bfloat16_products()
else:
    collect_ignore_glob = ["test_*_kernel.py", "test_ahead_of_time.py"]


@pytest.fixture(autouse=True)
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels run in the interpreter."""
    monkeypatch.setenv("TRITON_INTERPRET", "1")


@pytest.fixture(autouse=True)
def nan_in_new_tensors() -> Iterator[None]:
    """torch.empty gives NaN: whatever a kernel forgets to write shows."""
    torch.use_deterministic_algorithms(True)
    assert torch.empty(1).isnan()
    yield
    torch.use_deterministic_algorithms(False)
