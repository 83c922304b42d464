"""Checkpoints: weights, normalisation and what they were trained for, as safetensors."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from genmo_rt.conditions import MODALITIES
from genmo_rt.errors import FileFormatError
from genmo_rt.model import Model, ModelConfig
from genmo_rt.motion import LAYOUT, MotionStats
from genmo_rt.shards import INDEX_KEY, is_index, read_shards, write_shards

DEFAULT_CHECKPOINT = Path(__file__).parent / "weights" / "default.safetensors.index.json"
FORMAT = "genmo-rt.2"
EXPECTED = "expected a checkpoint that genmo-rt train wrote (left out: the one that ships)"
CONDITIONS = "+".join(f"{m.name}:{m.items}x{m.width}" for m in MODALITIES)
FORMAT_1, CONDITIONS_1 = "genmo-rt.1", "+".join(CONDITIONS.split("+")[:4])
"""Of checkpoints before generation: they can only estimate."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model ready to run, and how to read what it says.

    Attributes:
        model: in evaluation mode, float32.
        stats: for motion.decode.
        body: name of the body its shapes belong to.
        note: how it was trained, for people.
        centred: trained with windows that look ahead as well: whole clips run with
            Model.centred_window, else causally.
    """

    model: Model
    stats: MotionStats
    body: str
    note: str
    centred: bool = False


def save_checkpoint(
    path: Path, checkpoint: Checkpoint, *, dtype: torch.dtype = torch.float16
) -> None:
    """Writes weights in `dtype` and statistics in float32.

    Args:
        path: of one file; or NAME.safetensors.index.json, which gets parts of less than 16 MiB
            beside it.
    """
    tensors = {
        f"model.{name}": value.detach().to(dtype).contiguous()
        for name, value in checkpoint.model.state_dict().items()
    }
    tensors["stats.mean"] = checkpoint.stats.mean.float().contiguous()
    tensors["stats.std"] = checkpoint.stats.std.float().contiguous()
    metadata = {
        "format": FORMAT,
        "motion": LAYOUT,
        "conditions": CONDITIONS,
        "config": json.dumps(checkpoint.model.config.as_dict()),
        "body": checkpoint.body,
        "note": checkpoint.note,
        "centred": json.dumps(checkpoint.centred),
    }
    if is_index(path):
        write_shards(path, tensors, metadata)
    else:
        save_file(tensors, path, metadata=metadata)


def load_checkpoint(path: Path = DEFAULT_CHECKPOINT, device: str = "cpu") -> Checkpoint:
    """Reads a checkpoint written by this version of the tables.

    Args:
        path: a file, or the index of one in parts.
    Raises:
        FileFormatError: a file is missing, damaged, isn't safetensors, was written by something
            else, or its motion or condition table is another one.
    """
    metadata, stored = read_shards(path, device) if is_index(path) else _read_file(path, device)
    tensors = {name: value.float() for name, value in stored.items()}
    if INDEX_KEY in metadata:
        raise FileFormatError(
            f"{path}: one part of a checkpoint; expected its index, {metadata[INDEX_KEY]}"
        )
    if metadata.get("format", "").startswith("genmo-rt.gem."):
        raise FileFormatError(
            f"{path}: GEM-SMPL's weights, whose motion and body are others; expected a checkpoint "
            "of this program's own (genmo_rt.gem.importing.load_gem reads that file)"
        )
    first = metadata.get("format") == FORMAT_1
    expected = {
        "format": FORMAT_1 if first else FORMAT,
        "motion": LAYOUT,
        "conditions": CONDITIONS_1 if first else CONDITIONS,
    }
    for key, value in expected.items():
        if metadata.get(key) != value:
            raise FileFormatError(
                f"{path}: its {key} is {metadata.get(key)!r}, this version reads {value!r}; "
                "use a checkpoint made by this version"
            )
    try:
        config = ModelConfig(**json.loads(metadata["config"]))
        body, note = metadata["body"], metadata["note"]
        centred = bool(json.loads(metadata.get("centred", "false")))
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"{path}: what it says of itself can't be read ({error}); {EXPECTED}"
        ) from error
    model = Model(config).to(device)
    prefix = "model."
    weights = {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
    if first:
        weights = _from_format_1(weights, model)
    try:
        model.load_state_dict(weights)
        stats = MotionStats(mean=tensors["stats.mean"], std=tensors["stats.std"])
    except (RuntimeError, KeyError) as error:
        raise FileFormatError(
            f"{path}: its tensors do not fit its config ({error}); {EXPECTED}"
        ) from error
    return Checkpoint(
        model=model.eval().requires_grad_(False),
        stats=stats,
        body=body,
        note=note,
        centred=centred,
    )


def _read_file(path: Path, device: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The metadata and the tensors of one file."""
    try:
        with safe_open(path, framework="pt", device=device) as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}
    except FileNotFoundError as error:
        raise FileFormatError(f"{path}: no such checkpoint; {EXPECTED}") from error
    except (SafetensorError, OSError) as error:
        raise FileFormatError(
            f"{path}: not a safetensors checkpoint ({error}); {EXPECTED}"
        ) from error


def _from_format_1(weights: dict[str, Tensor], model: Model) -> dict[str, Tensor]:
    """Weights from before generation, with what was added as zeros: the same estimates.

    Nothing was said of noise levels, noised motions and texts, nor of the last modalities.
    """
    added = ("level.", "noised.", "texts.", *(f"observe.{n}." for n in range(4, len(MODALITIES))))
    new = {k: torch.zeros_like(v) for k, v in model.state_dict().items() if k.startswith(added)}
    return new | weights
