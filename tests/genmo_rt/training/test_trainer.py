"""A step helps in every mode, a resumed run takes the same next one, two processes are as one."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import multiprocessing

from genmo_rt import motion
from genmo_rt.checkpoint import Checkpoint
from genmo_rt.conditions import Conditions
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.diffusion import Schedule
from genmo_rt.model import Model, Noised
from genmo_rt.training.losses import estimation_losses, true_motion, true_view
from genmo_rt.training.plan import Mode
from genmo_rt.training.processes import process_group
from genmo_rt.training.run import measure_stats
from genmo_rt.training.trainer import Place, Trainer
from genmo_rt.training.validation import conditions_of
from tests.genmo_rt.tiny_batch import tiny_batch
from tests.genmo_rt.training.tiny_run import CONFIG, TINY, tiny_trainer

ESTIMATION = replace(CONFIG, generation=0.0, causal=1.0)
GENERATION = replace(CONFIG, generation=1.0, guided=0.0)
GUIDED = replace(CONFIG, generation=1.0, guided=1.0)


def _estimation_loss(trainer: Trainer, batch: TrainingBatch) -> float:
    conditions, now = conditions_of(batch), torch.zeros(2, dtype=torch.int64)
    with torch.no_grad():
        x = trainer.model(conditions, now)
        losses = estimation_losses(x, batch, conditions, now, trainer.stats, trainer.body)
    return losses.total().item()


def _denoising_error(trainer: Trainer, batch: TrainingBatch) -> float:
    view = true_view(batch, conditions_of(batch))
    clean = trainer.stats.normalise(motion.encode(true_motion(batch), view))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(9))
    level = torch.full((2,), 400)
    noised = Noised(Schedule().add_noise(clean, noise, level), level)
    now = torch.zeros(2, dtype=torch.int64)
    with torch.no_grad():
        known = Conditions.blank(*clean.shape[:2], view=view)
        x = trainer.model(known, now, (6, 5), noised=noised, texts=batch.texts)
    return (x - clean).square().mean().item()


def test_estimation_steps_on_one_batch_lower_its_loss() -> None:
    trainer, batch = tiny_trainer(ESTIMATION), tiny_batch()
    before = _estimation_loss(trainer, batch)
    for _ in range(40):
        assert trainer.step(batch).mode is Mode.ESTIMATION
    assert _estimation_loss(trainer, batch) < 0.75 * before


def test_generation_steps_on_one_batch_learn_to_denoise_it() -> None:
    trainer, batch = tiny_trainer(GENERATION), tiny_batch()
    before = _denoising_error(trainer, batch)
    for _ in range(30):
        assert trainer.step(batch).mode is Mode.GENERATION
    assert _denoising_error(trainer, batch) < 0.8 * before


def test_guided_steps_bring_denoised_landmarks_to_where_they_were_seen() -> None:
    trainer, batch = tiny_trainer(GUIDED), tiny_batch()
    errors = [trainer.step(batch).terms["reprojection"] for _ in range(40)]
    assert sum(errors[-8:]) < 0.7 * sum(errors[:8])


def test_guided_steps_never_look_at_the_3d_truth() -> None:
    batch = tiny_batch()
    other = tiny_batch(seed=5)
    blind = replace(
        batch,
        rotmat_cam=other.rotmat_cam,
        root_cam=other.root_cam,
        joints_cam=other.joints_cam,
        landmarks_cam=other.landmarks_cam,
        landmarks_px=other.landmarks_px,
        root_world=other.root_world,
        root_vel_world=other.root_vel_world,
        R_c2w=other.R_c2w.flip(0),
        shape=other.shape,
        contacts=other.contacts,
    )
    assert tiny_trainer(GUIDED).step(batch).terms == tiny_trainer(GUIDED).step(blind).terms


def test_a_resumed_run_takes_the_same_next_steps() -> None:
    first, batch = tiny_trainer(), tiny_batch()
    for _ in range(3):
        first.step(batch)
    second = tiny_trainer()
    file = io.BytesIO()
    torch.save(first.state(), file)
    file.seek(0)
    second.restore(torch.load(file, weights_only=True))
    modes = set()
    for _ in range(6):
        one, other = first.step(batch), second.step(batch)
        assert one == other
        modes.add(one.mode)
    assert len(modes) > 1
    for mine, theirs in (
        (first.model.state_dict(), second.model.state_dict()),
        (first.ema.state_dict(), second.ema.state_dict()),
    ):
        for name, value in mine.items():
            assert torch.equal(value, theirs[name]), name


def test_a_warm_start_changes_no_estimate_and_can_learn_texts() -> None:
    """Weights from before generation are zero where texts come in; zeros alone never move."""
    old = Model(TINY).eval()
    for parameter in old.texts.parameters():
        parameter.data.zero_()
    batch, trainer = tiny_batch(), tiny_trainer(GENERATION)
    stats = measure_stats(iter([batch]))
    trainer.start_from(Checkpoint(old, stats, "builtin", ""))
    now = torch.zeros(2, dtype=torch.int64)
    with torch.no_grad():
        told = trainer.model(conditions_of(batch), now, texts=batch.texts)
        assert torch.equal(told, old(conditions_of(batch), now))
    before = trainer.model.texts[0].query.weight.clone()
    for _ in range(4):
        trainer.step(batch)
    assert not torch.equal(trainer.model.texts[0].query.weight, before)
    assert trainer.model.texts[0].out.weight.abs().max() > 0


def _half(batch: TrainingBatch, rank: int) -> TrainingBatch:
    """Two of four clips."""

    def part(value: object) -> object:
        if isinstance(value, torch.Tensor):
            return value[2 * rank : 2 * rank + 2]
        names = type(value).__slots__  # type: ignore[attr-defined]
        return type(value)(*(part(getattr(value, name)) for name in names))

    return TrainingBatch(*(part(getattr(batch, n)) for n in TrainingBatch.__slots__))  # type: ignore[arg-type]


def _one_of_two(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    with process_group("gloo", init_method=store, rank=rank, world_size=2):
        trainer = tiny_trainer()
        batch = _half(tiny_batch(4), rank)
        terms = [trainer.step(batch).terms["total"] for _ in range(6)]
        if rank == 0:
            torch.save(terms, Path(folder) / "terms.pt")
    # One that is left can abort the interpreter at its end.
    threads = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    assert not [name for name in threads if "gloo" in name]


def test_two_processes_have_the_losses_of_one_with_the_same_whole_batch(tmp_path: Path) -> None:
    multiprocessing.spawn(_one_of_two, args=(str(tmp_path),), nprocs=2)
    together = torch.load(tmp_path / "terms.pt", weights_only=True)
    alone = tiny_trainer()
    batch = tiny_batch(4)
    losses, modes = [], set()
    for _ in range(6):
        step = alone.step(batch)
        losses.append(step.terms["total"])
        modes.add(step.mode)
    assert len(modes) > 1
    assert together == pytest.approx(losses, rel=2e-4)


def test_what_a_clip_draws_depends_on_its_place_in_the_whole_batch() -> None:
    trainer = tiny_trainer(GENERATION)
    whole = trainer._dice(4).told(24)
    trainer.place = Place(rank=1, processes=2)
    half = trainer._dice(2).told(24)
    assert torch.equal(whole.noise[2:], half.noise)
    assert torch.equal(whole.level[2:], half.level)
    assert not torch.equal(whole.noise[0], whole.noise[1])
