"""Compiles every kernel for four chips without a GPU and tabulates what the machine code needs.

    python scripts/kernel_table.py            prints the table
    python scripts/kernel_table.py FILE       writes it as JSON as well

tests/genmo_kernels/aot.json is such a file, made with the pinned Triton; a test compares. Make it
anew when a kernel or the pin changes, and look at the difference.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from genmo_kernels.nv12_crop import triton as crop
from genmo_kernels.ring_decode import triton as ring
from genmo_kernels.rot6d_fk import triton as kinematics
from genmo_kernels.windowed_attention import triton as windowed

CHIPS = {80: 166_912, 89: 101_376, 90: 232_448, 100: 232_448}
"""Compute capability to the shared memory one block may ask for, bytes (CUDA guide, table 30)."""

TYPES = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}
TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
HEADS = 8
STEPS = 6  # of the bisection: up to 63 sequences
JOINTS = 24


@dataclass(frozen=True, slots=True)
class Case:
    """One kernel as it is launched."""

    name: str
    kernel: Any
    pointers: dict[str, str]
    scalars: dict[str, str]
    constants: dict[str, Any]
    warps: int
    stages: int = 1
    scattered: tuple[str, ...] = ()  # pointers whose address may be any


@dataclass(frozen=True, slots=True)
class Need:
    """What one compiled kernel asks of its chip.

    Attributes:
        warps: per block.
        registers: per thread.
        stack: bytes per thread.
        local: bytes per thread.
        spills: instructions that move registers to or from local memory.
        shared: bytes per block.
        tensor_core: the kind of matrix instruction, "" without one.
        wide_loads: loads of 16 bytes from global memory, copies to shared memory included.
        other_loads: narrower ones.
    """

    warps: int
    registers: int
    stack: int
    local: int
    spills: int
    shared: int
    tensor_core: str
    wide_loads: int
    other_loads: int


def cases(capability: int) -> Iterator[Case]:
    """What is compiled for a chip: every kernel; on one chip also in fp32, which is for checks.

    fp16 is bf16's twin: one kernel of each kind, on one chip.
    """
    yield from _windowed(torch.bfloat16, 64, capability)
    yield from _windowed(torch.bfloat16, 128, capability)
    yield _ring(torch.bfloat16, 64, window=60, tokens=1)
    yield _ring(torch.bfloat16, 64, window=120, tokens=1)
    yield _ring(torch.bfloat16, 64, window=60, tokens=4)
    yield _ring(torch.bfloat16, 128, window=120, tokens=1)
    yield _ring(torch.float32, 64, window=120, tokens=1)
    yield from _kinematics(torch.float32)
    yield _crop(torch.bfloat16)
    if capability == 90:
        yield from _windowed(torch.float32, 64, capability)
        yield next(_windowed(torch.float16, 64, capability))
        yield _ring(torch.float16, 64, window=60, tokens=1)


def _windowed(dtype: torch.dtype, head_dim: int, capability: int) -> Iterator[Case]:
    cut = windowed.plan(dtype, head_dim, capability)
    type_ = TYPES[dtype]
    common = {"cu_seqlens": "i32", "cos": "fp32", "sin": "fp32"}
    saved = {"lse": "fp32", "delta": "fp32"}
    for name, kernel, tiles, pointers, scalars in (
        (
            "forward",
            windowed.forward_kernel,
            cut.forward,
            {"qkv": type_, "o": type_, "lse": "fp32"},
            {"scale": "fp32"},
        ),
        (
            "dq",
            windowed.query_gradient_kernel,
            cut.query_gradient,
            {"qkv": type_, "o": type_, "do": type_, **saved, "dqkv": type_},
            {"scale": "fp32", "scale_gradient": "fp32"},
        ),
        (
            "dkdv",
            windowed.key_gradient_kernel,
            cut.key_gradient,
            {"qkv": type_, "do": type_, **saved, "dqkv": type_},
            {"scale": "fp32", "scale_gradient": "fp32"},
        ),
    ):
        constants = {"H": HEADS, "D": head_dim, "BM": tiles.queries, "BN": tiles.keys}
        yield Case(
            name=f"windowed_attention {name} {type_} D{head_dim}",
            kernel=kernel,
            pointers=pointers | common,
            scalars=dict.fromkeys(windowed.SIZES, "i32") | scalars,
            constants=constants | {"STEPS": STEPS},
            warps=tiles.warps,
            stages=tiles.stages,
        )


def _ring(dtype: torch.dtype, head_dim: int, window: int, tokens: int) -> Case:
    type_ = TYPES[dtype]
    return Case(
        name=f"ring_decode {type_} D{head_dim} W{window} N{tokens}",
        kernel=ring.ring_decode_kernel,
        pointers=dict.fromkeys(("qkv", "bias", "keys", "values"), type_)
        | {"tick": "i64", "rows": "i64", "cos": "fp32", "sin": "fp32", "out": type_},
        scalars={"slots": "i32", "scale": "fp32"},
        constants={
            "N": tokens,
            "H": HEADS,
            "W": window,
            "D": head_dim,
            "BW": triton.next_power_of_2(window),
            "HAS_BIAS": True,
            "HAS_ROWS": True,
        },
        warps=ring.warps_for(window, head_dim, dtype),
    )


def _kinematics(dtype: torch.dtype) -> Iterator[Case]:
    type_ = TYPES[dtype]
    constants = {"J": JOINTS, "B": kinematics.BLOCK}
    wide = dict.fromkeys(("root", "rest", "rotmat", "joints"), "fp32")
    gradients = dict.fromkeys(("d_rotmat", "d_joints", "d_root", "d_rest"), "fp32")
    for name, kernel, pointers in (
        ("forward", kinematics.forward_kernel, {"rot6d": type_} | wide),
        (
            "backward",
            kinematics.backward_kernel,
            {"rot6d": type_, "d_rot6d": type_, "rest": "fp32", "rotmat": "fp32", "owed": "fp32"}
            | gradients,
        ),
    ):
        yield Case(
            name=f"rot6d_fk {name} {type_}",
            kernel=kernel,
            pointers=pointers | {"parents": "i32"},
            scalars={"poses": "i32", "rest_stride": "i32"},
            constants=constants,
            warps=kinematics.WARPS,
        )


def _crop(dtype: torch.dtype) -> Case:
    floats = ["black", "luma_gain", "chroma_gain", "red_v", "green_u", "green_v", "blue_u"]
    floats += [f"{part}_{channel}" for part in ("scale", "shift") for channel in "rgb"]
    return Case(
        name=f"nv12_crop {TYPES[dtype]}",
        kernel=crop.nv12_crop_kernel,
        pointers={
            "luma": "u8",
            "chroma": "u8",
            "maps": "fp32",
            "frames": "i64",
            "out": TYPES[dtype],
        },
        scalars=dict.fromkeys(floats, "fp32") | dict.fromkeys(crop.SIZES, "i32"),
        constants={"HAS_FRAMES": True, "B": crop.BLOCK},
        warps=crop.WARPS,
        scattered=("luma", "chroma"),
    )


def compile_case(case: Case, capability: int) -> Need:
    """Machine code for a chip, and what it needs."""
    types = {n: f"*{t}" for n, t in case.pointers.items()} | case.scalars
    names = case.kernel.arg_names
    aligned = [name for name in case.pointers if name not in case.scattered]
    source = ASTSource(
        case.kernel,
        signature={name: types.get(name, "constexpr") for name in names},
        constexprs={(names.index(name),): value for name, value in case.constants.items()},
        attrs={(names.index(name),): [["tt.divisibility", 16]] for name in aligned},
    )
    options = {"num_warps": case.warps, "num_stages": case.stages, "enable_fp_fusion": True}
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(compiled.asm["cubin"])
        file.flush()
        code = _tool("cuobjdump", "--dump-resource-usage", "--dump-sass", file.name)
    wide = len(re.findall(r"\b(?:LDG|LDGSTS)\.E\.(?:\w+\.)*128\b", code))
    return Need(
        warps=case.warps,
        registers=_usage(code, "REG"),
        stack=_usage(code, "STACK"),
        local=_usage(code, "LOCAL"),
        spills=len(re.findall(r"\b(?:STL|LDL)\b", code)),
        shared=compiled.metadata.shared,
        tensor_core=next(
            (kind for kind in ("UTCHMMA", "HGMMA", "HMMA") if re.search(rf"\b{kind}\b", code)), ""
        ),
        wide_loads=wide,
        other_loads=len(re.findall(r"\b(?:LDG|LDGSTS)\.", code)) - wide,
    )


def table() -> dict[str, Any]:
    """Per chip its limit and what each kernel needs."""
    return {
        f"sm_{chip}a" if chip >= 90 else f"sm_{chip}": {
            "shared_limit": limit,
            "kernels": {case.name: asdict(compile_case(case, chip)) for case in cases(chip)},
        }
        for chip, limit in CHIPS.items()
    }


def _tool(name: str, *arguments: str) -> str:
    command = [str(TOOLS / name), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _usage(text: str, field: str) -> int:
    found = re.search(rf"\b{field}:(\d+)", text)
    if found is None:
        raise RuntimeError(f"cuobjdump names no {field}: {text}")
    return int(found[1])


def main() -> None:
    """Prints the table; writes it if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?")
    file = parser.parse_args().file
    if not isinstance(ring.ring_decode_kernel, triton.JITFunction):
        sys.exit("TRITON_INTERPRET is set: nothing can be compiled")
    needs: dict[str, Any] = {"triton": triton.__version__, "chips": table()}
    print(f"{'chip':7} {'kernel':38} reg stack local spill shared  mma     16B loads")
    for chip, on_chip in needs["chips"].items():
        for name, need in on_chip["kernels"].items():
            print(
                f"{chip:7} {name:38} {need['registers']:3} {need['stack']:5} {need['local']:5} "
                f"{need['spills']:5} {need['shared']:6}  {need['tensor_core']:7} "
                f"{need['wide_loads']:3} of {need['wide_loads'] + need['other_loads']}"
            )
    if file is not None:
        file.write_text(json.dumps(needs, indent=1) + "\n")


if __name__ == "__main__":
    main()
