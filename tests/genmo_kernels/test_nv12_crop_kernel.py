"""Cropping video planes: its definition, and the kernel in Triton's interpreter against float64."""

from typing import Any

import pytest
import torch
from torch import Tensor

from genmo_kernels.nv12_crop.api import nv12_crop

HEIGHT, WIDTH = 13, 18
SIZE = (9, 11)
TOLERANCE = {torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 4e-2}
"""Of values up to 3: coordinates in float32, then one rounding; bfloat16 is cut off there."""

TURNED = [[1.3, 0.4, -3.0], [-0.3, 1.1, 2.0]]  # leaves the frame on three sides
HALVED = [[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]
FAR = [[1e30, 0.0, 0.0], [0.0, -1e38, 0.0]]
NOWHERE = [[float("nan"), 0.0, 0.0], [0.0, 1.0, 0.0]]
AS_IT_IS = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


def _planes(layout: str, height: int = HEIGHT, width: int = WIDTH) -> tuple[Tensor, Tensor]:
    """Two frames of noise."""
    generator = torch.Generator().manual_seed(0)
    half = (height + 1) // 2, (width + 1) // 2
    chroma = (2, 2, *half) if layout == "i420" else (2, *half, 2)
    luma_, chroma_ = (
        torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        for shape in ((2, height, width), chroma)
    )
    return luma_, chroma_


def _even(colour: tuple[int, int, int], height: int = 6, width: int = 8) -> tuple[Tensor, Tensor]:
    """A frame of one colour, Y, U, V."""
    luma = torch.full((1, height, width), colour[0], dtype=torch.uint8)
    chroma = torch.tensor(colour[1:], dtype=torch.uint8)
    return luma, chroma.expand(1, height // 2, width // 2, 2).contiguous()


@pytest.mark.parametrize(
    ("matrix", "full_range", "code", "rgb"),
    [
        ("bt601", False, (81, 90, 240), (1, 0, 0)),  # the bars of the standards, rounded
        ("bt601", False, (145, 54, 34), (0, 1, 0)),
        ("bt601", False, (41, 240, 110), (0, 0, 1)),
        ("bt709", False, (63, 102, 240), (1, 0, 0)),
        ("bt709", False, (32, 240, 118), (0, 0, 1)),
        ("bt601", True, (76, 85, 255), (1, 0, 0)),
        ("bt709", False, (235, 128, 128), (1, 1, 1)),
        ("bt709", False, (16, 128, 128), (0, 0, 0)),
        ("bt709", True, (255, 128, 128), (1, 1, 1)),
    ],
)
def test_definition_knows_the_standards_colours(
    matrix: Any, full_range: bool, code: tuple[int, int, int], rgb: tuple[int, int, int]
) -> None:
    crop = nv12_crop(
        *_even(code), torch.tensor([AS_IT_IS]), (6, 8), matrix=matrix, full_range=full_range
    )
    expected = torch.tensor(rgb, dtype=torch.float32).view(1, 3, 1, 1).expand_as(crop)
    torch.testing.assert_close(crop, expected, rtol=0, atol=0.01)  # codes are whole numbers


def test_definition_interpolates_and_is_black_around_the_frame() -> None:
    luma, chroma = _even((16, 128, 128))
    luma += (20 * torch.arange(8) + 10 * torch.arange(6)[:, None]).to(torch.uint8)
    maps = torch.tensor([[[0.5, 0.0, -1.5], [0.0, 1.0, 2.25]]])
    row = nv12_crop(luma, chroma, maps, (1, 20))[0, 0, 0] * 219
    for column, code in enumerate(row.tolist()):
        x = 0.5 * column - 1.5
        fade = min(max(x + 1, 0), max(8 - x, 0), 1)
        inside = min(max(x, 0), 7)
        assert code == pytest.approx(fade * (20 * inside + 10 * 2.25), abs=1e-3)


def test_definition_normalises_after_the_colour() -> None:
    crop = nv12_crop(
        *_even((126, 128, 128)),
        torch.tensor([AS_IT_IS]),
        (2, 2),
        mean=(0.5, 0.25, 0.0),
        std=(0.5, 0.25, 2.0),
    )
    grey = 110 / 219
    expected = torch.tensor([(grey - 0.5) / 0.5, (grey - 0.25) / 0.25, grey / 2])
    torch.testing.assert_close(crop[0, :, 1, 1], expected)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(
    ("layout", "matrix", "full_range"),
    [("nv12", "bt601", False), ("i420", "bt709", False), ("nv12", "bt709", True)],
)
def test_kernel_equals_float64(
    layout: Any, matrix: Any, full_range: bool, dtype: torch.dtype
) -> None:
    maps = torch.tensor([TURNED, HALVED, NOWHERE, TURNED])
    options: dict[str, Any] = {
        "frames": torch.tensor([1, 0, 0, -1]),
        "layout": layout,
        "matrix": matrix,
        "full_range": full_range,
        "mean": (0.4, 0.5, 0.6),
        "std": (0.2, 0.3, 0.25),
    }
    planes = _planes(layout)
    crops = nv12_crop(*planes, maps, SIZE, dtype=dtype, backend="triton", **options)
    truth = nv12_crop(
        *planes, maps.double(), SIZE, dtype=torch.float64, backend="reference", **options
    )
    assert crops.dtype == dtype
    assert (crops - truth).abs().max() < TOLERANCE[dtype]


@pytest.mark.filterwarnings("ignore:overflow encountered")  # numpy says so in the interpreter
@pytest.mark.parametrize("backend", ["reference", "triton"])
def test_maps_that_lead_nowhere_give_black(backend: Any) -> None:
    crops = nv12_crop(*_planes("nv12"), torch.tensor([FAR, NOWHERE]), SIZE, backend=backend)
    crops[0, :, 0, 0] = 0  # the one pixel that FAR leaves in the frame
    assert torch.equal(crops, torch.zeros_like(crops))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (7, 2)])
def test_tiny_and_odd_frames_are_sampled_to_their_edges(height: int, width: int) -> None:
    planes = _planes("nv12", height, width)
    maps = torch.tensor([[[0.5, 0.1, -0.7], [0.0, 0.7, -0.6]], AS_IT_IS])
    crops = nv12_crop(*planes, maps, SIZE, backend="triton")
    truth = nv12_crop(*planes, maps.double(), SIZE, dtype=torch.float64, backend="reference")
    assert (crops - truth).abs().max() < TOLERANCE[torch.float32]


@pytest.mark.parametrize("backend", ["reference", "triton"])
@pytest.mark.parametrize("layout", ["nv12", "i420"])
def test_rows_of_a_decoder_may_have_gaps(layout: Any, backend: Any) -> None:
    luma, chroma = _planes(layout)
    maps = torch.tensor([TURNED, HALVED])
    padded_luma = torch.zeros(2, HEIGHT, 32, dtype=torch.uint8)[..., :WIDTH]
    rows = torch.zeros(*chroma.shape[: 2 if layout == "nv12" else 3], 32, dtype=torch.uint8)
    padded_chroma = rows[..., :18].view(2, 7, 9, 2) if layout == "nv12" else rows[..., :9]
    padded_luma.copy_(luma)
    padded_chroma.copy_(chroma)
    with_gaps = nv12_crop(padded_luma, padded_chroma, maps, SIZE, layout=layout, backend=backend)
    without = nv12_crop(luma, chroma, maps, SIZE, layout=layout, backend=backend)
    assert torch.equal(with_gaps, without)


def test_unvalidated_frames_that_are_not_there_are_black() -> None:
    crops = nv12_crop(
        *_planes("nv12"),
        torch.tensor([HALVED, HALVED]),
        SIZE,
        frames=torch.tensor([2, -9]),
        validate=False,
        backend="triton",
    )
    assert torch.equal(crops, torch.zeros_like(crops))


def test_no_crops_give_nothing() -> None:
    none = torch.empty(0, dtype=torch.int64)
    crops = nv12_crop(*_planes("nv12"), torch.empty(0, 2, 3), SIZE, frames=none, backend="triton")
    assert crops.shape == (0, 3, *SIZE)


def test_op_is_registered_as_torch_expects() -> None:
    colour, three = [16.0, 1 / 219, 1 / 224, 1.4, -0.3, -0.7, 1.7], [1.0, 1.0, 1.0]
    torch.library.opcheck(
        torch.ops.genmo.nv12_crop.default,
        (
            *_planes("nv12"),
            torch.tensor([HALVED, TURNED]),
            None,
            list(SIZE),
            False,
            colour,
            three,
            three,
            torch.float32,
        ),
    )


@pytest.mark.parametrize("backend", ["reference", "triton"])
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("luma", torch.zeros(13, 18, dtype=torch.uint8), r"luma has shape \(13, 18\); expected"),
        ("luma", torch.zeros(2, 13, 18), "luma has dtype torch.float32; expected uint8"),
        ("luma", torch.zeros(2, 13, 36, dtype=torch.uint8)[..., ::2], "luma has strides"),
        ("chroma", torch.zeros(2, 7, 9, dtype=torch.uint8), r"chroma has shape .* nv12 of luma"),
        ("chroma", torch.zeros(2, 2, 7, 9, dtype=torch.uint8), "chroma has shape"),
        ("chroma", torch.zeros(2, 7, 9, 2, dtype=torch.int8), "chroma has dtype torch.int8"),
        ("chroma", torch.zeros(2, 7, 18, 2, dtype=torch.uint8)[:, :, ::2], "chroma has strides"),
        ("chroma", torch.zeros(2, 7, 9, 2, dtype=torch.uint8, device="meta"), "chroma is on meta"),
        ("maps", torch.zeros(2, 3, 3), r"maps has shape \(2, 3, 3\); expected \(N, 2, 3\)"),
        ("maps", torch.zeros(2, 2, 3, dtype=torch.float16), "maps has dtype torch.float16"),
        ("maps", torch.zeros(2, 2, 6)[..., ::2], "maps has strides"),
        ("maps", torch.zeros(2, 2, 3, device="meta"), "maps is on meta"),
        ("maps", torch.zeros(2, 2, 3).requires_grad_(), "maps requires a gradient; expected"),
        ("maps", torch.zeros(3, 2, 3), "maps has 3 crops; expected 2"),
        ("size", (0, 5), r"size is \(0, 5\); expected"),
        ("frames", torch.tensor([0, 2]), "frames holds 2; expected a frame 0..1"),
        ("frames", torch.tensor([0, -2]), "frames holds -2"),
        ("frames", torch.tensor([0]), r"frames has shape \(1,\)"),
        ("frames", torch.tensor([0, 1], dtype=torch.int32), "frames has .* expected .* int64"),
        ("frames", torch.zeros(2, dtype=torch.int64, device="meta"), "frames is on meta"),
        ("layout", "yuy2", "layout is 'yuy2'; expected one of"),
        ("matrix", "bt2020", "matrix is 'bt2020'"),
        ("mean", (0.5,), r"mean is \(0.5,\); expected three"),
        ("std", (0.5, 0.0, 1.0), "std is .* none of them 0"),
        ("dtype", torch.uint8, "dtype is torch.uint8"),
    ],
)
def test_bad_arguments_are_named(name: str, value: object, message: str, backend: str) -> None:
    luma, chroma = _planes("nv12")
    good = {"luma": luma, "chroma": chroma, "maps": torch.tensor([HALVED, TURNED]), "size": SIZE}
    with pytest.raises(ValueError, match=message):
        nv12_crop(**(good | {name: value}), backend=backend)  # type: ignore[arg-type]
