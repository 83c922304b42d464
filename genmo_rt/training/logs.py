"""What a run writes down while it goes: log.jsonl, and TensorBoard's event files."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def draws_curves() -> bool:
    """Whether the tensorboard package is installed; without it there is the log alone."""
    return find_spec("tensorboard") is not None


class RunLog:
    """Rows of named numbers in `folder`/log.jsonl, and as curves in `folder`/tensorboard."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "log.jsonl"
        self._folder = folder / "tensorboard"
        self._curves = draws_curves()
        self._writer: SummaryWriter | None = None

    def write(self, group: str, step: int, elapsed_s: float, values: dict[str, float]) -> None:
        """One row.

        Args:
            group: what the values are of, e.g. "estimation" or "held out".
            step: number of the step.
            elapsed_s: seconds of the run so far.
            values: by name.
        """
        at = {"step": step, "minutes": round(elapsed_s / 60, 2), "of": group}
        with self._path.open("a") as log:
            log.write(json.dumps(at | {k: round(v, 5) for k, v in values.items()}) + "\n")
        if self._curves:
            writer = self._open()
            for name, value in values.items():
                writer.add_scalar(f"{group}/{name}".replace(" ", "_"), value, step)

    def close(self) -> None:
        """Puts the curves on disk."""
        if self._writer is not None:
            self._writer.close()

    def _open(self) -> "SummaryWriter":
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self._folder))
        return self._writer
