"""Everything that changes during a run, and one step of it."""

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, distributed, nn

from genmo_rt.checkpoint import Checkpoint
from genmo_rt.data.batch import TrainingBatch
from genmo_rt.diffusion import Schedule
from genmo_rt.model import Model, ModelConfig
from genmo_rt.motion import MotionStats
from genmo_rt.smpl import Body
from genmo_rt.training.config import TrainConfig
from genmo_rt.training.objective import Objective
from genmo_rt.training.plan import Dice, Mode


@dataclass(frozen=True, slots=True)
class Place:
    """This process among those of a torchrun."""

    rank: int = 0
    processes: int = 1

    @classmethod
    def here(cls) -> "Place":
        """As torch.distributed knows it; one alone where that isn't set up."""
        if distributed.is_initialized():
            return cls(distributed.get_rank(), distributed.get_world_size())
        return cls()


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did.

    Attributes:
        mode: what it minimised.
        terms: the losses by name, the mean over all processes, and their sum as `total`.
    """

    mode: Mode
    terms: dict[str, float]


class Trainer:
    """The model, its average, the optimisers and the clock; `state` carries them over a restart."""

    def __init__(
        self,
        config: TrainConfig,
        model_config: ModelConfig,
        stats: MotionStats,
        body: Body,
        device: str = "cpu",
    ) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.device = torch.device(device)
        self.stats = MotionStats(stats.mean.to(device), stats.std.to(device))
        self.body = body.to(device)
        self.model = Model(model_config).to(device)
        self.ema = Model(model_config).to(device).requires_grad_(False)
        self.ema.load_state_dict(self.model.state_dict())
        self.optimizers = _optimizers(self.model, config.weight_decay)
        self.schedule = Schedule()
        self.place = Place.here()
        self.steps = 0
        self.elapsed_s = 0.0

    @property
    def progress(self) -> float:
        """How much of the run is done, 0 to 1."""
        return self.config.progress(self.steps, self.elapsed_s)

    def next_mode(self) -> Mode:
        """What the next step will minimise."""
        return self._dice(0).mode()

    def step(self, batch: TrainingBatch) -> Step:
        """One update.

        Args:
            batch: this process's share of the whole batch, on the CPU.
        """
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.config.learning_rate(self.progress)
        self.model.train()
        objective = Objective(
            self.model, self.stats, self.body, self.config.bfloat16, self.schedule
        )
        dice = self._dice(len(batch.present))
        losses = objective.losses(batch, dice)
        total = losses.total()
        self.model.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        average_gradients(self.model)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        for optimizer in self.optimizers:
            optimizer.step()
        self.steps += 1
        decay = min(self.config.ema, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.model.parameters()), 1 - decay)
        terms = {field.name: getattr(losses, field.name).detach() for field in fields(losses)}
        return Step(dice.mode(), average_terms(terms | {"total": total.detach()}))

    def start_from(self, checkpoint: Checkpoint) -> None:
        """Takes a trained model's weights; a new run begins with them.

        An attention with texts that was never trained is all zeros, where every gradient is zero
        too: it begins like a new model's instead, but for its last matrix, so that it changes
        nothing yet.
        """
        fresh = {k: v.clone() for k, v in self.model.texts.state_dict().items()}
        self.model.load_state_dict(checkpoint.model.state_dict())
        if not any(bool(value.any()) for value in self.model.texts.state_dict().values()):
            self.model.texts.load_state_dict(
                {k: v.zero_() if ".out." in k else v for k, v in fresh.items()}
            )
        self.ema.load_state_dict(self.model.state_dict())

    def state(self) -> dict[str, Any]:
        """For torch.save."""
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "stats": (self.stats.mean, self.stats.std),
            "config": self.model.config.as_dict(),
            "steps": self.steps,
            "elapsed_s": self.elapsed_s,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on where `state` was taken."""
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.steps = state["steps"]
        self.elapsed_s = state["elapsed_s"]

    def checkpoint(self, note: str) -> Checkpoint:
        """What ships: the averaged weights."""
        return Checkpoint(
            model=self.ema,
            stats=self.stats,
            body=self.body.name,
            note=note,
            centred=self.config.causal < 1,
        )

    def _dice(self, clips: int) -> Dice:
        return Dice(self.config, self.steps, self.place.rank * clips, clips)


def average_gradients(model: Model) -> None:
    """Makes the gradients of all processes of a torchrun their mean; nothing to do for one."""
    if not distributed.is_initialized():
        return
    # A process without a text or a keyframe in its share has no gradient there: zero, not none.
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in model.parameters()]
    flat = torch.cat([g.flatten() for g in gradients])
    used = torch.tensor([p.grad is not None for p in model.parameters()], dtype=flat.dtype)
    used = used.to(flat.device)
    distributed.all_reduce(flat)
    distributed.all_reduce(used)
    flat /= distributed.get_world_size()
    start = 0
    for parameter, gradient, any_used in zip(
        model.parameters(), gradients, used.tolist(), strict=True
    ):
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        parameter.grad = gradient if any_used else None
        start += gradient.numel()


def average_terms(terms: dict[str, Tensor]) -> dict[str, float]:
    """The mean of every loss over all processes of a torchrun."""
    values = torch.stack(list(terms.values())).double()
    if distributed.is_initialized():
        distributed.all_reduce(values)
        values /= distributed.get_world_size()
    return dict(zip(terms, values.tolist(), strict=True))


def _optimizers(model: Model, weight_decay: float) -> tuple[torch.optim.Optimizer, ...]:
    """Muon (Jordan et al. 2024) for the blocks' matrices, AdamW for all else; one learning rate.

    Muon's steps are scaled to the size of AdamW's (Liu et al. 2025, section 2.2).
    """
    blocks = [*model.blocks.parameters(), *model.texts.parameters()]
    matrices = [p for p in blocks if p.ndim == 2]
    of_blocks = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in of_blocks]
    return (
        torch.optim.Muon(matrices, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    )
