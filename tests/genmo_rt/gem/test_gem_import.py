"""The official release's weights: every tensor known, nothing executed, others refused."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from genmo_rt.checkpoint import load_checkpoint, save_checkpoint
from genmo_rt.cli import main
from genmo_rt.conditions import Absent, Modality, Observed
from genmo_rt.errors import FileFormatError
from genmo_rt.gem.importing import import_gem, load_gem, map_state, save_gem
from genmo_rt.gem.inputs import inputs_of
from genmo_rt.gem.layout import GEM_WIDTH, GemMotion, decode
from genmo_rt.gem.model import (
    CAM_ANGVEL,
    CLIFF,
    IMAGE,
    MUSIC,
    Gem,
    GemConfig,
    GemInputs,
    TextBlock,
    positions,
)
from genmo_rt.gem.model import _attend as attend
from genmo_rt.model import Noised, Texts

NAMES = json.loads((Path(__file__).parents[2] / "fixtures/gem/state_dict.json").read_text())
WIDTH, TEXT_WIDTH = 16, 24
NARROW = {1024: WIDTH, 2048: 32, 3072: 48, 4096: 64, 1175: WIDTH + GEM_WIDTH, 1025: WIDTH + 1}


def _state(layers: int, *, narrow: bool) -> dict[str, Tensor]:
    """The release's tensors: on the meta device at full size, or random and narrow."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for template, shape in NAMES.items():
        for n in range(layers if "{n}" in template else 1):
            name = template.replace("{n}", str(n))
            if not narrow:
                state[name] = torch.empty(shape, device="meta")
            elif name.endswith(".pe"):
                state[name] = positions(torch.arange(shape[0]), WIDTH)[:, None]
            else:
                size = [NARROW.get(length, length) for length in shape]
                if "imgseq_embedder" in name and shape[-1] == 1024:
                    size[-1] = size[-1] if name.endswith("1.bias") else 1024
                if name.endswith("embed_text.weight"):
                    size[-1] = TEXT_WIDTH
                state[name] = 0.3 * torch.randn(size, generator=generator)
    return state


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.ckpt"
    torch.save({"state_dict": _state(2, narrow=True), "epoch": 3}, path)
    return path


def _inputs(length: int = 9, batch: int = 2) -> GemInputs:
    generator = torch.Generator().manual_seed(1)

    def some(modality: Modality) -> Observed:
        shape = (batch, length, modality.items, modality.width)
        value = torch.randn(shape, generator=generator)
        return Observed(value, torch.rand(shape[:3], generator=generator) < 0.7)

    return GemInputs(
        landmarks=some(Modality("landmarks", 17, 2)),
        cliff=some(CLIFF),
        image=some(IMAGE),
        cam_angvel=Absent(CAM_ANGVEL, torch.zeros(batch, length, 0)),
        music=some(MUSIC),
        valid=torch.ones(batch, length, dtype=torch.bool),
    )


def test_the_release_s_names_and_shapes_import_without_a_missing_or_unknown_one() -> None:
    config, weights = map_state(_state(16, narrow=False))
    assert config == GemConfig()
    with torch.device("meta"):
        model = Gem(config)
    expected = {name: value.shape for name, value in model.state_dict().items()}
    del expected["camera_mean"], expected["camera_std"]
    assert {name: value.shape for name, value in weights.items()} == expected
    assert 400e6 < sum(p.numel() for p in model.parameters()) < 440e6


def test_an_imported_checkpoint_says_the_same_after_it_was_saved(
    checkpoint: Path, tmp_path: Path
) -> None:
    made = import_gem(checkpoint)
    save_gem(tmp_path / "gem.safetensors", made, torch.float32)
    read = load_gem(tmp_path / "gem.safetensors")
    assert read.model.config == GemConfig(width=WIDTH, layers=2, text_width=TEXT_WIDTH)
    assert torch.equal(read.stats.mean, made.stats.mean)
    before, after = made.model(_inputs()), read.model(_inputs())
    torch.testing.assert_close(before.x, after.x)
    torch.testing.assert_close(before.camera, after.camera)


def test_the_command_writes_a_file_that_loads(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "gem.safetensors"
    assert main(["import-gem", str(checkpoint), "-o", str(out)]) == 0
    assert load_gem(out).note == "imported from tiny.ckpt"


def test_a_wrapper_s_prefix_is_taken_off(checkpoint: Path) -> None:
    state = {f"model.{name}": value for name, value in _state(2, narrow=True).items()}
    torch.save(state, checkpoint)
    assert import_gem(checkpoint).model.config.layers == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"learned_pos_params": None}, "learned_pos_params is missing"),
        ({"pipeline.denoiser3d.denoiser.more": torch.zeros(2)}, r"1 unknown tensors: .*\.more"),
        ({"learned_pos_params": torch.zeros(33, 32)}, r"shape \(33, 32\); expected \(17, 32\)"),
        (
            {"pipeline.denoiser3d.denoiser.add_cond_linear.weight": torch.zeros(16, 200)},
            "motion of 151 numbers",
        ),
        ({"pipeline.denoiser3d.denoiser.sequence_pos_encoder.pe": torch.ones(9, 1, 16)}, "sines"),
    ],
)
def test_another_network_is_refused(
    checkpoint: Path, change: dict[str, Tensor | None], said: str
) -> None:
    state = _state(2, narrow=True) | change
    torch.save({k: v for k, v in state.items() if v is not None}, checkpoint)
    with pytest.raises(FileFormatError, match=said):
        import_gem(checkpoint)


class _Anything:
    pass


def test_a_file_with_more_than_tensors_is_not_unpickled(checkpoint: Path) -> None:
    torch.save({"state_dict": {}, "hyper_parameters": _Anything()}, checkpoint)
    with pytest.raises(FileFormatError, match="tensors alone"):
        import_gem(checkpoint)


def test_our_own_file_is_no_imported_one(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "ours.safetensors", load_checkpoint())
    with pytest.raises(FileFormatError, match="import-gem"):
        load_gem(tmp_path / "ours.safetensors")


def test_an_imported_file_is_not_taken_for_our_own(checkpoint: Path, tmp_path: Path) -> None:
    save_gem(tmp_path / "gem.safetensors", import_gem(checkpoint))
    with pytest.raises(FileFormatError, match=r"GEM-SMPL's weights.*load_gem"):
        load_checkpoint(tmp_path / "gem.safetensors")


def test_landmarks_go_through_the_release_s_network_to_a_motion(checkpoint: Path) -> None:
    imported = import_gem(checkpoint)
    pixels = 300 + 80 * torch.randn(1, 7, 33, 2, generator=torch.Generator().manual_seed(6))
    camera = torch.tensor([[600.0, 600, 320, 240]])
    inputs, box = inputs_of(pixels, torch.full((1, 7, 33), 0.9), camera, imported.cam_angvel)
    out = imported.model(inputs)
    said = GemMotion(imported.stats.denormalise(out.x), out.camera, out.contacts)
    motion = decode(said, box, torch.tensor([0.0, -0.35, 0.0]))
    assert motion.rotmat_cam.shape == (1, 7, 24, 3, 3)
    turned = motion.rotmat_cam @ motion.rotmat_cam.transpose(-1, -2)
    torch.testing.assert_close(turned, torch.eye(3).expand_as(turned), atol=1e-4, rtol=0)
    assert torch.equal(motion.shape[:, 0], motion.shape[:, 6])


def test_padding_changes_nothing(checkpoint: Path) -> None:
    model = import_gem(checkpoint).model
    full, valid = _inputs(), torch.arange(9)[None] < torch.tensor([[9], [6]])
    noise = torch.randn(2, 9, GEM_WIDTH, generator=torch.Generator().manual_seed(2))
    level = torch.tensor([5, 900])
    outs = []
    for behind in (0.0, 7.0):
        x = torch.where(valid[..., None], noise, behind)
        padded = GemInputs(
            full.landmarks, full.cliff, full.image, full.cam_angvel, full.music, valid
        )
        outs.append(model(padded, noised=Noised(x, level)).x[valid])
    torch.testing.assert_close(outs[0], outs[1])


def test_a_frame_of_a_long_clip_sees_one_window_moved_inwards_at_the_ends() -> None:
    window, length = 8, 20
    qkv = torch.randn(1, length, 3, 2, 4, generator=torch.Generator().manual_seed(3))
    qkv.requires_grad_()
    valid = torch.ones(1, length, dtype=torch.bool)
    out = attend(qkv, window, valid)
    for frame, first in ((0, 0), (3, 0), (10, 6), (19, 12)):
        (gradient,) = torch.autograd.grad(out[0, frame].sum(), qkv, retain_graph=True)
        seen = gradient[0, :, 2].abs().sum((-1, -2)) > 0  # values that it takes from
        assert seen.nonzero()[:, 0].tolist() == list(range(first, first + window))


def test_frames_without_a_text_take_nothing_from_it() -> None:
    torch.manual_seed(4)
    block = TextBlock(16, 2)
    x, holds = torch.randn(1, 6, 16), torch.tensor([[[0.0], [1], [1], [0], [0], [0]]])
    one, other = (block(x, torch.randn(1, 1, 5, 16), holds) for _ in range(2))
    same = (one == other).all(-1)[0]
    assert same.tolist() == [True, False, False, True, True, True]


def test_tokens_behind_the_mask_do_not_count(checkpoint: Path) -> None:
    model = import_gem(checkpoint).model
    tokens = torch.randn(2, 1, 7, TEXT_WIDTH, generator=torch.Generator().manual_seed(5))
    mask, span = torch.arange(7).expand(2, 1, 7) < 4, torch.tensor([[[0, 5]], [[2, 9]]])
    whole = model(_inputs(), texts=Texts(tokens, mask, span)).x
    cut = model(_inputs(), texts=Texts(tokens[:, :, :4], mask[:, :, :4], span)).x
    torch.testing.assert_close(whole, cut)
    assert (whole - model(_inputs()).x).abs().max() > 1e-3
