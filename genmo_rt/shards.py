"""Checkpoints in several files: safetensors parts, and an index that names them.

The index is Hugging Face's (`weight_map`: which part holds which tensor) and says each part's
SHA-256 too, so that a part that is damaged or of another checkpoint isn't taken.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from genmo_rt.errors import FileFormatError

INDEX_SUFFIX = ".index.json"
PART_BYTES = 15 << 20  # of tensors; with its header a part stays below 16 MiB
INDEX_KEY = "index"  # in the metadata of a part: the name of its index


def is_index(path: Path) -> bool:
    """Whether a path names an index rather than a file of tensors."""
    return path.name.endswith(INDEX_SUFFIX)


def write_shards(
    index: Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    part_bytes: int = PART_BYTES,
) -> list[Path]:
    """Writes parts beside an index, the index last.

    Args:
        index: NAME.safetensors.index.json; the parts are NAME-00001-of-0000N.safetensors.
        tensors: in the order in which they fill the parts; one that is larger has its own.
        metadata: of the checkpoint; goes into the index.
        part_bytes: of tensors in a part, at most.
    Returns:
        The parts.
    """
    groups = _grouped(tensors, part_bytes)
    stem = index.name.removesuffix(INDEX_SUFFIX).removesuffix(".safetensors")
    parts: list[Path] = []
    weight_map: dict[str, str] = {}
    digests: dict[str, str] = {}
    for number, group in enumerate(groups, 1):
        path = index.with_name(f"{stem}-{number:05}-of-{len(groups):05}.safetensors")
        content = save(group, metadata={"format": "pt", INDEX_KEY: index.name})
        path.write_bytes(content)
        parts.append(path)
        weight_map |= dict.fromkeys(group, path.name)
        digests[path.name] = hashlib.sha256(content).hexdigest()
    size = sum(_bytes(tensor) for tensor in tensors.values())
    said = {"metadata": {"total_size": size, **metadata}, "weight_map": weight_map}
    index.write_text(json.dumps({**said, "sha256": digests}, indent=1) + "\n")
    return parts


def read_shards(index: Path, device: str = "cpu") -> tuple[dict[str, str], dict[str, Tensor]]:
    """Reads all parts of a checkpoint.

    Returns:
        Its metadata, and its tensors as they are stored.
    Raises:
        FileFormatError: the index is missing or isn't one, or a part is missing, damaged, of
            another checkpoint, or lacks a tensor that the index promises.
    """
    listed = _read_index(index)
    tensors: dict[str, Tensor] = {}
    for name, digest in listed.digests.items():
        path = index.with_name(name)
        promised = {tensor for tensor, part in listed.weight_map.items() if part == name}
        found = _read_part(path, digest, index)
        if promised != set(found):
            odd = ", ".join(sorted(promised ^ set(found))[:3])
            raise FileFormatError(
                f"{path}: its tensors are not those that {index.name} lists for it (see {odd}); "
                "expected the files as they were written together"
            )
        tensors |= {tensor: value.to(device) for tensor, value in found.items()}
    return listed.metadata, tensors


@dataclass(frozen=True, slots=True)
class _Index:
    """What an index says; every part has a digest and every tensor a part that is listed."""

    metadata: dict[str, str]
    weight_map: dict[str, str]
    digests: dict[str, str]


def _read_index(path: Path) -> _Index:
    try:
        said = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise FileFormatError(f"{path}: no such checkpoint") from error
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{path}: not an index of a checkpoint ({error})") from error
    tables = [_table(said, key, path) for key in ("metadata", "weight_map", "sha256")]
    metadata, weight_map, digests = tables
    for name in digests:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise FileFormatError(
                f"{path}: it lists a part {name!r}; expected names of .safetensors files beside it"
            )
    unlisted = sorted(set(weight_map.values()) ^ set(digests))
    if unlisted:
        raise FileFormatError(
            f"{path}: its weight_map and sha256 name different parts (see {unlisted[0]!r})"
        )
    return _Index(metadata, weight_map, digests)


def _table(said: Any, key: str, path: Path) -> dict[str, str]:
    """One of the index's tables, all of whose values are text but for the total size."""
    table = said.get(key) if isinstance(said, dict) else None
    if isinstance(table, dict):
        table = {name: value for name, value in table.items() if name != "total_size"}
        if table and all(isinstance(value, str) for value in table.values()):
            return table
    raise FileFormatError(
        f"{path}: it has no table {key!r} of names and texts; expected an index that genmo-rt wrote"
    )


def _read_part(path: Path, digest: str, index: Path) -> dict[str, Tensor]:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise FileFormatError(
            f"{path}: no such file; {index.name} lists it, so bring it there beside the index"
        ) from error
    except OSError as error:
        raise FileFormatError(f"{path}: can't be read ({error})") from error
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise FileFormatError(
            f"{path}: its SHA-256 is {found[:12]}…, and {index.name} lists {digest[:12]}…: the "
            "file is damaged or of another checkpoint; bring the one that came with the index"
        )
    try:
        tensors: dict[str, Tensor] = load(content)
    except SafetensorError as error:
        raise FileFormatError(f"{path}: not a safetensors file ({error})") from error
    return tensors


def _grouped(tensors: Mapping[str, Tensor], part_bytes: int) -> list[dict[str, Tensor]]:
    groups: list[dict[str, Tensor]] = [{}]
    room = part_bytes
    for name, tensor in tensors.items():
        if groups[-1] and _bytes(tensor) > room:
            groups.append({})
            room = part_bytes
        groups[-1][name] = tensor
        room -= _bytes(tensor)
    return groups


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
