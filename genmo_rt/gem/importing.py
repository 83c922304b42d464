"""Reads GEM-SMPL's published checkpoint into our Gem network, and keeps it as safetensors.

state dict → names and shapes looked at → our names, queries and keys reordered → Gem
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from genmo_rt.errors import FileFormatError
from genmo_rt.gem.layout import GEM_LAYOUT, GEM_WIDTH, GemStatistics
from genmo_rt.gem.model import Gem, GemConfig, modalities, positions
from genmo_rt.motion import MotionStats

GEM_FORMAT = "genmo-rt.gem.1"
HEADS = 8  # of the release's networks; no shape says it
DENOISER = "pipeline.denoiser3d.denoiser."

IGNORED = (
    "pipeline.endecoder.",
    "pipeline.denoiser3d.endecoder.",
    "endecoder.",
    "body_model.",
    "feature_extractor.",
    "audio_encoder.",
    "audio_embedder.",
    "cam_angvel_mean",
    "cam_angvel_std",
    DENOISER + "pred_cam_mean",
    DENOISER + "pred_cam_std",
    DENOISER + "embed_timestep.sequence_pos_encoder.",
)
"""Left out: the body model and tables that its owner fills, and the encoder of raw speech."""

POSITION_TABLES = re.compile(r"(sequence_pos_encoder|motion_pos_encoder)\.pe$")
OBSERVED = {
    "cliff": ("f_cliffcam", "cliffcam_embedder", ("0", "3")),
    "image": ("f_imgseq", "imgseq_embedder", ("0", "1")),
    "cam_angvel": ("f_cam_angvel", "cam_angvel_embedder", ("0", "3")),
    "music": ("encoded_music", "music_embedder", ("fc1", "fc2")),
}
"""Ours to the release's: key, embedder, and the names of the embedder's two layers."""


@dataclass(frozen=True, slots=True)
class GemCheckpoint:
    """The release's network, ready to run, and how to read what it says.

    Attributes:
        model: in evaluation mode, float32.
        stats: of the 151 numbers.
        cam_angvel: of the camera's turn, which is normalised before the network sees it.
        note: where it came from.
    """

    model: Gem
    stats: MotionStats
    cam_angvel: MotionStats
    note: str


def import_gem(path: Path) -> GemCheckpoint:
    """Reads the release's checkpoint; nothing in it is executed.

    Raises:
        FileFormatError: the file is missing, holds more than tensors, or tensors of another
            network; the text names what is missing or unknown.
    """
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except FileNotFoundError as error:
        raise FileFormatError(f"{path}: no such checkpoint") from error
    except Exception as error:  # torch raises several types, all for "not such a file"
        raise FileFormatError(
            f"{path}: not a torch checkpoint of tensors alone ({str(error).splitlines()[0]}); "
            "expected GEM-SMPL's gem_smpl.ckpt or its state_dict, saved again by torch.save"
        ) from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else {}
    state = {k: v for k, v in state.items() if isinstance(v, Tensor)}
    try:
        config, weights = map_state(state)
    except ValueError as error:
        raise FileFormatError(
            f"{path}: not GEM-SMPL's network: {error}; expected the release's gem_smpl.ckpt"
        ) from error
    published = GemStatistics.published()
    weights["camera_mean"], weights["camera_std"] = published.camera.mean, published.camera.std
    with torch.device("meta"):
        model = Gem(config)
    model.load_state_dict({k: v.float() for k, v in weights.items()}, assign=True)
    return GemCheckpoint(
        model.eval().requires_grad_(False),
        published.motion,
        published.cam_angvel,
        note=f"imported from {path.name}",
    )


def map_state(state: dict[str, Tensor]) -> tuple[GemConfig, dict[str, Tensor]]:
    """The release's tensors under our names.

    Returns:
        What the shapes say of the network, and all weights of Gem but its camera statistics.
    Raises:
        ValueError: a tensor is missing, unknown or of another shape.
    """
    left = _plain_names(state)
    config = _config(left)
    take = _Taker(left)
    width = config.width
    out: dict[str, Tensor] = {}

    def linear(ours: str, theirs: str) -> None:
        for part in ("weight", "bias"):
            out[f"{ours}.{part}"] = take(f"{theirs}.{part}")

    def two_layers(ours: str, theirs: str, names: tuple[str, str]) -> None:
        linear(f"{ours}.0", f"{theirs}.{names[0]}")
        linear(f"{ours}.2", f"{theirs}.{names[1]}")

    linear("landmarks.place", "learned_pos_linear")
    out["landmarks.absent"] = take("learned_pos_params")
    two_layers("landmarks.join", "embed_noisyobs", ("fc1", "fc2"))
    for modality in modalities(config):
        key, embedder, names = OBSERVED[modality.name]
        ours = f"observe.{modality.name}"
        if modality.name == "image":
            linear(f"{ours}.first.0", f"{embedder}.{names[0]}")
            linear(f"{ours}.first.1", f"{embedder}.{names[1]}")
        else:
            two_layers(f"{ours}.first", embedder, names)
        two_layers(f"{ours}.exists", f"cond_exists_embedder.{key}", ("0", "2"))
    two_layers("level", DENOISER + "embed_timestep.time_embed", ("0", "2"))
    linear("stem", DENOISER + "add_cond_linear")
    speech = "cond_exists_embedder.encoded_audio"
    if f"{speech}.0.bias" in left:
        out["stem.bias"] = out["stem.bias"] + _without_speech(take, speech, out["stem.weight"])
    for n in range(config.layers):
        _block(out, take, f"blocks.{n}", f"{DENOISER}blocks.{n}", config.heads)
        if config.text_width:
            theirs = f"{DENOISER}text_encoder_layers.{n}"
            _text_block(out, take, f"text_blocks.{n}", theirs, width)
    if config.text_width:
        linear("text", DENOISER + "embed_text")
    two_layers("head", DENOISER + "final_layer", ("fc1", "fc2"))
    two_layers("camera_head", DENOISER + "pred_cam_head", ("fc1", "fc2"))
    two_layers("contact_head", DENOISER + "static_conf_head", ("fc1", "fc2"))
    for name in [name for name in left if POSITION_TABLES.search(name)]:
        _check_positions(name, left.pop(name))
    if left:
        raise ValueError(f"{len(left)} unknown tensors: {_some(left)}")
    _check_shapes(out, config)
    return config, out


def save_gem(path: Path, checkpoint: GemCheckpoint, dtype: torch.dtype = torch.float16) -> None:
    """Writes one safetensors file; weights in `dtype`, statistics in float32."""
    tensors = {
        f"model.{name}": value.to(dtype).contiguous()
        for name, value in checkpoint.model.state_dict().items()
    }
    for name, stats in (("stats", checkpoint.stats), ("cam_angvel", checkpoint.cam_angvel)):
        tensors[f"{name}.mean"], tensors[f"{name}.std"] = stats.mean.float(), stats.std.float()
    metadata = {
        "format": GEM_FORMAT,
        "motion": GEM_LAYOUT,
        "config": json.dumps(checkpoint.model.config.as_dict()),
        "note": checkpoint.note,
    }
    save_file(tensors, path, metadata=metadata)


def load_gem(path: Path, device: str = "cpu") -> GemCheckpoint:
    """Reads what `save_gem` wrote.

    Raises:
        FileFormatError: the file is missing or isn't an imported GEM-SMPL.
    """
    try:
        with safe_open(path, framework="pt", device=device) as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}
    except FileNotFoundError as error:
        raise FileFormatError(f"{path}: no such checkpoint") from error
    except (SafetensorError, OSError) as error:
        raise FileFormatError(f"{path}: not a safetensors checkpoint ({error})") from error
    for key, value in {"format": GEM_FORMAT, "motion": GEM_LAYOUT}.items():
        if metadata.get(key) != value:
            raise FileFormatError(
                f"{path}: its {key} is {metadata.get(key)!r}, expected {value!r}; "
                "make it with genmo-rt import-gem"
            )
    with torch.device("meta"):
        model = Gem(GemConfig(**json.loads(metadata["config"])))
    weights = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    try:
        model.load_state_dict(weights, assign=True)
        stats, cam_angvel = (
            MotionStats(tensors[f"{name}.mean"], tensors[f"{name}.std"])
            for name in ("stats", "cam_angvel")
        )
    except (RuntimeError, KeyError) as error:
        raise FileFormatError(f"{path}: its tensors do not fit its config ({error})") from error
    model = model.eval().requires_grad_(False)
    return GemCheckpoint(model, stats, cam_angvel, metadata["note"])


class _Taker:
    """Takes tensors out of a state dict by name, each once."""

    def __init__(self, left: dict[str, Tensor]) -> None:
        self._left = left

    def __call__(self, name: str) -> Tensor:
        try:
            return self._left.pop(name)
        except KeyError:
            raise ValueError(f"tensor {name} is missing") from None


def _plain_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without the wrapper's prefix, what is left out, and copies under old names."""
    if state and all(name.startswith("model.") for name in state):
        state = {name.removeprefix("model."): value for name, value in state.items()}
    kept = {name: value for name, value in state.items() if not name.startswith(IGNORED)}
    observed = (f"{embedder}." for _, embedder, _ in OBSERVED.values())
    embedders = ("learned_pos", "embed_noisyobs.", "cond_exists_embedder.", *observed)
    copies = [
        name
        for name in kept
        if name.startswith(DENOISER)
        and name.removeprefix(DENOISER).startswith(embedders)
        and name.removeprefix(DENOISER) in kept
    ]
    return {name: value for name, value in kept.items() if name not in copies}


def _config(state: dict[str, Tensor]) -> GemConfig:
    stem, text = f"{DENOISER}add_cond_linear.weight", f"{DENOISER}embed_text.weight"
    if stem not in state:
        raise ValueError(f"tensor {stem} is missing among {len(state)}: {_some(state)}")
    width = state[stem].shape[0]
    if tuple(state[stem].shape) != (width, width + GEM_WIDTH):
        raise ValueError(
            f"{stem} has shape {tuple(state[stem].shape)}; expected ({width}, {width} + "
            f"{GEM_WIDTH}), for motion of {GEM_WIDTH} numbers"
        )
    numbers = {
        int(name.removeprefix(f"{DENOISER}blocks.").split(".")[0])
        for name in state
        if name.startswith(f"{DENOISER}blocks.")
    }
    return GemConfig(
        width=width,
        layers=len(numbers),
        heads=HEADS,
        text_width=state[text].shape[1] if text in state else 0,
        music="music_embedder.fc1.weight" in state,
    )


def _block(out: dict[str, Tensor], take: _Taker, ours: str, theirs: str, heads: int) -> None:
    for part in ("weight", "bias"):
        query, key, value, proj = (
            take(f"{theirs}.attn.{name}.{part}") for name in ("query", "key", "value", "proj")
        )
        turned = [_halves(query, heads), _halves(key, heads), value]
        out[f"{ours}.qkv.{part}"] = torch.cat(turned)
        out[f"{ours}.out.{part}"] = proj
        out[f"{ours}.norm_attention.{part}"] = take(f"{theirs}.norm1.{part}")
        _mlp(out, take, ours, theirs, "norm2", part)
    out[f"{ours}.gate_attention"] = take(f"{theirs}.gate_msa").flatten()
    out[f"{ours}.gate_mlp"] = take(f"{theirs}.gate_mlp").flatten()


def _text_block(out: dict[str, Tensor], take: _Taker, ours: str, theirs: str, width: int) -> None:
    for part in ("weight", "bias"):
        joined = take(f"{theirs}.cross_attn.in_proj_{part}")
        out[f"{ours}.query.{part}"] = joined[:width]
        out[f"{ours}.key_value.{part}"] = joined[width:]
        out[f"{ours}.out.{part}"] = take(f"{theirs}.cross_attn.out_proj.{part}")
        out[f"{ours}.norm_attention.{part}"] = take(f"{theirs}.norm2.{part}")
        _mlp(out, take, ours, theirs, "norm3", part)
    out[f"{ours}.gate_attention"] = take(f"{theirs}.gate_cross_attn").flatten()
    out[f"{ours}.gate_mlp"] = take(f"{theirs}.gate_mlp").flatten()


def _mlp(
    out: dict[str, Tensor], take: _Taker, ours: str, theirs: str, norm: str, part: str
) -> None:
    out[f"{ours}.norm_mlp.{part}"] = take(f"{theirs}.{norm}.{part}")
    out[f"{ours}.up.{part}"] = take(f"{theirs}.mlp.fc1.{part}")
    out[f"{ours}.down.{part}"] = take(f"{theirs}.mlp.fc2.{part}")


def _halves(projection: Tensor, heads: int) -> Tensor:
    """Reorders rows whose RoPE turns (x[2i], x[2i + 1]) for one that turns (x[i], x[i + D/2])."""
    pairs = projection.view(heads, -1, 2, *projection.shape[1:])  # (H, D / 2, 2, ...)
    return pairs.transpose(1, 2).reshape(projection.shape)


def _without_speech(take: _Taker, theirs: str, stem: Tensor) -> Tensor:
    """What "no speech" adds to every token: a constant, as speech is left out."""
    take(f"{theirs}.0.weight")  # times zeros
    hidden = torch.nn.functional.silu(take(f"{theirs}.0.bias"))
    said = take(f"{theirs}.2.weight") @ hidden + take(f"{theirs}.2.bias")
    return stem[:, : len(said)] @ said


def _check_positions(name: str, table: Tensor) -> None:
    """The release stores its sines; other ones would be another network."""
    if table.is_meta:
        return
    rows = table[:1000, 0]
    made = positions(torch.arange(len(rows)), rows.shape[1])
    if (rows - made).abs().max() > 1e-3:
        raise ValueError(f"{name} isn't the table of sines and cosines that was expected")


def _check_shapes(weights: dict[str, Tensor], config: GemConfig) -> None:
    with torch.device("meta"):
        expected = Gem(config).state_dict()
    for name, value in weights.items():
        if value.shape != expected[name].shape:
            raise ValueError(
                f"{name} would have shape {tuple(value.shape)}; "
                f"expected {tuple(expected[name].shape)}"
            )


def _some(names: dict[str, Tensor]) -> str:
    shown = sorted(names)[:5]
    return ", ".join(shown) + (", …" if len(names) > len(shown) else "")
