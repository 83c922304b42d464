"""The roofline picture, and the command that draws it."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from genmo_kernels import work
from genmo_kernels.results import Ceilings, Work
from genmo_kernels.roofline import svg
from genmo_rt.cli import main

CEILINGS = Ceilings(bandwidth=2_000.0, flops=400_000.0, what="bfloat16")  # they meet at 200
MEMORY_BOUND = Work("decode <1>", flops=1e6, bytes=1e6, microseconds=1_000.0)
BUSY = Work("attention", flops=4e9, bytes=1e6, microseconds=20_000.0)


def _elements(picture: str, tag: str) -> list[ET.Element]:
    return list(ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}" + tag))


def test_share_is_of_the_lower_ceiling() -> None:
    assert MEMORY_BOUND.share(CEILINGS) == pytest.approx(0.5)  # of 2,000 operations per µs
    assert BUSY.share(CEILINGS) == pytest.approx(0.5)  # of the product's 400,000


def test_picture_puts_points_below_the_roof_by_their_share() -> None:
    picture = svg([MEMORY_BOUND, BUSY], CEILINGS, "a machine")
    (roof,) = _elements(picture, "polyline")
    left, ridge, right = (
        tuple(float(number) for number in point.split(","))
        for point in roof.attrib["points"].split()
    )
    assert ridge[1] == right[1] < left[1]  # flat behind the ridge, rising before it
    points = [
        (float(dot.attrib["cx"]), float(dot.attrib["cy"]))
        for dot in _elements(picture, "circle")[::2]
    ]
    slope = (ridge[1] - left[1]) / (ridge[0] - left[0])
    roof_above = left[1] + slope * (points[0][0] - left[0])
    assert points[0][0] < ridge[0] < points[1][0]
    below = [points[0][1] - roof_above, points[1][1] - ridge[1]]
    assert below[0] == pytest.approx(below[1], abs=0.3)  # both reach a half: the same distance
    assert below[0] > 3


def test_picture_names_every_op_and_what_it_reached() -> None:
    texts = [element.text for element in _elements(svg([MEMORY_BOUND], CEILINGS, "here"), "text")]
    assert "decode <1>" in texts
    assert "50% of its ceiling, 1e+03 µs" in texts
    assert "copy 2 GB/s, product in bfloat16 400 GFLOP/s" in texts


def test_command_measures_the_definitions_on_a_cpu_and_draws_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "ON_CPU", work.QUICK)
    picture = tmp_path / "roofline.svg"
    assert main(["bench", "kernels", "--device", "cpu", "--picture", str(picture)]) == 0
    said = capsys.readouterr().out
    for op in ("ring_decode", "attention", "rot6d_fk", "nv12_crop"):
        assert op in said
    drawn = {element.text for element in _elements(picture.read_text(), "text")}
    assert {"ring_decode, S=1", "nv12_crop, 1 crops"} <= drawn
