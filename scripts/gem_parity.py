"""Compares the network of GENMO's official release with ours after import, number by number.

    git clone https://github.com/NVlabs/GENMO /somewhere/GENMO
    pip install einops timm hydra-core pytorch-lightning
    python scripts/gem_parity.py /somewhere/GENMO [--width 1024 --layers 16]

Builds the official model from its own configuration with random weights, saves its state dict as
the release does, imports that with genmo_rt.gem.importing, and gives both the same inputs:
without and with a text, with several texts, full and padded, 120 and 200 frames. Exits with 1
unless all agree to 1e-4 of the largest number. No weights are needed;
nothing of the official code is kept.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import torch
from torch import Tensor, nn

from genmo_rt.conditions import Observed
from genmo_rt.gem.importing import import_gem
from genmo_rt.gem.model import Gem, GemInputs, GemOutput
from genmo_rt.model import Noised, Texts

TOLERANCE = 1e-4
TEXT_WIDTH = 1024
TOKENS = 50
FAKED = ("torchvision", "colorlog", "transformers", "wandb")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path, help="of github.com/NVlabs/GENMO")
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=16)
    chosen = parser.parse_args()
    torch.manual_seed(0)
    official = build_official(chosen.checkout, chosen.width, chosen.layers)
    randomise(official)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.ckpt"
        torch.save({"state_dict": official.state_dict()}, path)
        ours = import_gem(path).model
    print(f"official parameters: {sum(p.numel() for p in official.parameters()) / 1e6:.1f} M")
    print(f"ours after import:   {sum(p.numel() for p in ours.parameters()) / 1e6:.1f} M\n")
    print("| case | motion | camera | contacts |\n|---|---|---|---|")
    worst = 0.0
    for name, case in cases():
        errors = compare(official, ours, case)
        worst = max(worst, *errors)
        print(f"| {name} | " + " | ".join(f"{error:.1e}" for error in errors) + " |", flush=True)
    print(f"\nworst relative difference {worst:.1e}, allowed {TOLERANCE:.0e}")
    return 0 if worst <= TOLERANCE else 1


class Case:
    """One random input: B clips of L frames, of which `valid` count."""

    def __init__(self, lengths: tuple[int, ...], frames: int, texts: int, level: int) -> None:
        batch = len(lengths)
        draw = torch.randn
        self.lengths = torch.tensor(lengths)
        self.valid = torch.arange(frames) < self.lengths[:, None]
        self.landmarks = draw(batch, frames, 17, 2)
        self.seen = (torch.rand(batch, frames, 17) < 0.7) & self.valid[..., None]
        self.cliff, self.image = draw(batch, frames, 3), draw(batch, frames, 1024)
        self.cam_angvel, self.music = draw(batch, frames, 6), draw(batch, frames, 35)
        self.has = {name: torch.rand(batch, frames) < 0.6 for name in ("image", "camera", "music")}
        self.x = draw(batch, frames, 151) if level < 999 else torch.zeros(batch, frames, 151)
        self.level = torch.full((batch,), level)
        self.tokens = draw(batch, max(texts, 1), TOKENS, TEXT_WIDTH)
        self.tokens[:, :, 9:] = 0  # what the release puts behind a text's tokens
        if texts == 0:
            self.tokens.zero_()
        edges = torch.tensor([0.0, 0.37, 0.45, 0.8]) * frames
        spans = torch.stack((edges[:texts], edges[:texts] + 0.3 * frames), dim=-1).round().long()
        self.spans = torch.tensor([[0, frames]]) if texts < 2 else spans
        self.texts = texts


def cases() -> Iterator[tuple[str, Case]]:
    for frames in (120, 200):
        for padded in (False, True):
            lengths = (frames, frames - 30) if padded else (frames, frames)
            how = "padded" if padded else "full"
            yield f"L={frames}, {how}, no text, estimation", Case(lengths, frames, 0, 999)
            yield f"L={frames}, {how}, one text, level 400", Case(lengths, frames, 1, 400)
            yield f"L={frames}, {how}, four texts, level 10", Case(lengths[1:], frames, 4, 10)


@torch.inference_mode()
def compare(official: nn.Module, ours: Gem, case: Case) -> tuple[float, ...]:
    """Largest difference over the largest number, of motion, camera and contacts."""
    theirs = run_official(official, case)
    mine = run_ours(ours, case)
    pairs = ((mine.x, "pred_x"), (mine.camera, "pred_cam"), (mine.contacts, "static_conf_logits"))
    valid = case.valid
    return tuple(
        ((one[valid] - theirs[name][valid]).abs().max() / theirs[name][valid].abs().max()).item()
        for one, name in pairs
    )


def run_ours(model: Gem, case: Case) -> GemOutput:
    visible = case.seen.sum(-1) > 3

    def whole(value: Tensor, mask: Tensor) -> Observed:
        return Observed(value[:, :, None], mask[..., None])

    texts = None
    if case.texts:
        span = case.spans.expand(len(case.tokens), -1, -1)
        texts = Texts(case.tokens, torch.ones(case.tokens.shape[:3], dtype=torch.bool), span)
    out: GemOutput = model(
        GemInputs(
            landmarks=Observed(case.landmarks, case.seen),
            cliff=whole(case.cliff, visible),
            image=whole(case.image, case.has["image"]),
            cam_angvel=whole(case.cam_angvel, case.has["camera"]),
            music=whole(case.music, case.has["music"]),
            valid=case.valid,
        ),
        noised=Noised(case.x, case.level),
        texts=texts,
    )
    return out


def run_official(model: Any, case: Case) -> dict[str, Tensor]:
    batch, frames = case.valid.shape
    endecoder = model.endecoder
    endecoder.build_obs_indices_dict()
    made = model.create_condition_mask(
        {
            "B": batch,
            "L": frames,
            "device": torch.device("cpu"),
            "length": case.lengths,
            "has_text": torch.zeros(batch, dtype=torch.bool),
            "condition_mask": {
                "has_img_mask": case.has["image"],
                "has_2d_mask": torch.ones(batch, frames, dtype=torch.bool),
                "has_cam_mask": case.has["camera"],
                "has_audio_mask": torch.zeros(batch, frames, dtype=torch.bool),
                "has_music_mask": case.has["music"],
                "j2d_visible_mask": case.seen,
            },
            "obs": torch.cat((case.landmarks, case.seen[..., None].float()), dim=-1),
            "f_cliffcam": case.cliff,
            "f_cam_angvel": case.cam_angvel,
            "f_imgseq": case.image,
            "music_embed": case.music,
            "target_x": torch.zeros(batch, frames, 151),
        },
        cond_mask_cfg=None,
        mode=None,
        train=False,
    )
    told: dict[str, Any] = {
        "f_cond": made["f_cond"],
        "length": case.lengths,
        "encoded_text": case.tokens[:, 0],
    }
    if case.texts > 1:
        told["multi_text_data"] = {
            "text_embed": case.tokens[0],
            "window_start": case.spans[:, 0] / frames,
            "window_end": case.spans[:, 1] / frames,
        }
    out: dict[str, Tensor] = model.pipeline.denoiser3d.denoiser(
        case.x.clone(),
        case.level,
        y=told,
        inputs={},
        sample_indices_dict=endecoder.obs_indices_dict,
    )
    return out


def randomise(model: nn.Module) -> None:
    """Every weight matters, those that start at zero too; tables of sines stay."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if not name.endswith(".pe"):
                scale = 1 / weight[0].numel() ** 0.5 if weight.dim() == 2 else 0.1
                gates = "gate" in name or ("norm" in name and name.endswith("weight"))
                weight.normal_(0.5 if gates else 0.0, scale)


def build_official(checkout: Path, width: int, layers: int) -> nn.Module:
    """The official GEM module from its own configuration; parts that only training uses are faked.

    The body model needs a file that cannot be handed on: a stand-in gives it joints without one.
    """
    sys.path.insert(0, str(checkout))
    sys.meta_path.insert(0, _Fakes())
    sys.modules["gem.utils.smpl_augment"] = _Fake("gem.utils.smpl_augment")
    body_models = _Fake("gem.utils.smplx_utils")
    body_models.make_smplx = _stand_in
    sys.modules["gem.utils.smplx_utils"] = body_models

    from hydra import compose, initialize_config_dir  # type: ignore[import-not-found]
    from hydra.utils import instantiate  # type: ignore[import-not-found]

    with initialize_config_dir(str(checkout / "configs"), version_base=None):
        config = compose(
            "train",
            overrides=[
                "exp=gem_smpl",
                "hydra/job_logging=default",
                "hydra/hydra_logging=default",
                f"network.model_cfg.denoiser.latent_dim={width}",
                f"network.model_cfg.denoiser.num_layers={layers}",
            ],
        )
    model: nn.Module = instantiate(config.model, _recursive_=False)
    return model.eval()


class _Fake(ModuleType):
    """A module in which every name exists."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []

    make_smplx: Any

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return MagicMock()


class _Fakes:
    """Finds packages that only training and texts use, as fakes."""

    def find_spec(self, name: str, path: object, target: object = None) -> Any:
        from importlib.machinery import ModuleSpec

        if name.split(".")[0] not in FAKED:
            return None
        return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: Any) -> ModuleType:
        return _Fake(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def _stand_in(*_args: object, **_kwargs: object) -> nn.Module:
    body = nn.Module()
    body.parents = torch.arange(-1, 21)
    return body


if __name__ == "__main__":
    sys.exit(main())
