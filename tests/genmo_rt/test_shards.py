"""A checkpoint in parts comes back whole; missing, damaged or foreign parts are refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from genmo_rt.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from genmo_rt.errors import FileFormatError
from genmo_rt.model import Model, ModelConfig
from genmo_rt.motion import MotionStats
from genmo_rt.shards import read_shards, write_shards

TENSORS = {name: torch.full((100,), float(n)) for n, name in enumerate("abcde")}


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Three parts: ab, cd, e."""
    write_shards(tmp_path / "some.safetensors.index.json", TENSORS, {"format": "x"}, 850)
    return tmp_path / "some.safetensors.index.json"


def _change(index: Path, table: str, name: str, value: Any) -> None:
    said = json.loads(index.read_text())
    said[table][name] = value
    index.write_text(json.dumps(said))


def test_parts_come_back_as_one_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Model(ModelConfig(width=16, layers=1, heads=1, head_dim=16, window=5))
    stats = MotionStats(torch.randn(181), torch.rand(181))
    made = Checkpoint(model, stats, body="builtin", note="untrained", centred=True)
    save_checkpoint(tmp_path / "a.safetensors.index.json", made)
    save_checkpoint(tmp_path / "a.safetensors", made)
    parts, whole = (
        load_checkpoint(tmp_path / name) for name in ("a.safetensors.index.json", "a.safetensors")
    )
    assert replace(parts, model=model, stats=stats) == replace(whole, model=model, stats=stats)
    assert torch.equal(parts.stats.std, whole.stats.std)
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(parts.model.state_dict()[name], weight)


def test_a_part_holds_no_more_than_it_may(index: Path) -> None:
    parts = sorted(index.parent.glob("*.safetensors"))
    assert [part.name for part in parts] == [
        f"some-0000{n}-of-00003.safetensors" for n in (1, 2, 3)
    ]
    assert [sorted(load_file(part)) for part in parts] == [["a", "b"], ["c", "d"], ["e"]]
    metadata, tensors = read_shards(index)
    assert metadata == {"format": "x"}
    assert all(torch.equal(tensors[name], value) for name, value in TENSORS.items())


def test_the_index_says_the_size_and_the_part_of_every_tensor_as_hugging_face_does(
    index: Path,
) -> None:
    said = json.loads(index.read_text())
    assert said["metadata"]["total_size"] == 2000
    assert said["weight_map"]["c"] == "some-00002-of-00003.safetensors"


def test_a_missing_part_is_named(index: Path) -> None:
    (index.parent / "some-00002-of-00003.safetensors").unlink()
    with pytest.raises(FileFormatError, match=r"00002-of-00003.*no such file; some\..* lists it"):
        load_checkpoint(index)


@pytest.mark.parametrize("at", [0, -1])
def test_a_damaged_part_is_named(index: Path, at: int) -> None:
    part = index.parent / "some-00003-of-00003.safetensors"
    content = bytearray(part.read_bytes())
    content[at] ^= 1
    part.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"00003-of-00003.*damaged or of another checkpoint"):
        load_checkpoint(index)


def test_a_part_of_another_checkpoint_is_refused(index: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    others = {name: value + 1 for name, value in TENSORS.items()}
    parts = write_shards(tmp_path / "other" / index.name, others, {"format": "x"}, 850)
    parts[0].replace(index.parent / parts[0].name)
    with pytest.raises(FileFormatError, match=r"00001-of-00003.*damaged or of another checkpoint"):
        load_checkpoint(index)


def test_a_part_alone_says_that_it_wants_its_index(index: Path) -> None:
    with pytest.raises(FileFormatError, match=r"one part.* its index, some\.safetensors\.index"):
        load_checkpoint(index.parent / "some-00001-of-00003.safetensors")


def test_an_index_that_names_a_file_elsewhere_is_refused(index: Path) -> None:
    _change(index, "sha256", "../secret.safetensors", "0" * 64)
    with pytest.raises(FileFormatError, match=r"expected names of \.safetensors files beside it"):
        load_checkpoint(index)


def test_an_index_that_promises_other_tensors_is_refused(index: Path) -> None:
    _change(index, "weight_map", "f", "some-00003-of-00003.safetensors")
    with pytest.raises(FileFormatError, match=r"not those that .* lists for it \(see f\)"):
        load_checkpoint(index)


def test_an_index_that_lists_a_part_without_its_digest_is_refused(index: Path) -> None:
    _change(index, "weight_map", "f", "some-00004-of-00004.safetensors")
    with pytest.raises(FileFormatError, match=r"name different parts .*00004"):
        load_checkpoint(index)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not an index of a checkpoint"),
        ("[]", "no table 'metadata'"),
        ('{"metadata": {"format": "x"}, "weight_map": {"a": "b"}}', "no table 'sha256'"),
        ('{"metadata": {"format": "x"}, "weight_map": {"a": 3}}', "no table 'weight_map'"),
    ],
)
def test_a_file_that_is_no_index_is_said(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "a.index.json"
    path.write_text(content)
    with pytest.raises(FileFormatError, match=reason):
        load_checkpoint(path)


def test_a_missing_index_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "none.index.json")
