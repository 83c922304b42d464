"""Makes a trained checkpoint the one that ships: an index and parts below 16 MiB.

    scripts/ship_checkpoint.py runs/first/model.safetensors

reads it, refuses what couldn't ship (another body, an estimator that can't generate, numbers that
aren't finite), writes it as float16 into genmo_rt/weights and reads it back.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import torch

from genmo_rt.checkpoint import DEFAULT_CHECKPOINT, Checkpoint, load_checkpoint, save_checkpoint
from genmo_rt.errors import GenmoError

LIMIT = 16 << 20  # bytes of a file
LARGEST = 65504.0  # of float16


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--note", help="how it was trained, for people (what the checkpoint says)")
    parser.add_argument("--index", type=Path, default=DEFAULT_CHECKPOINT, help=argparse.SUPPRESS)
    args = parser.parse_args()
    try:
        parts = ship(args.checkpoint, args.index, args.note)
    except GenmoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path in (args.index, *parts):
        print(f"{path}: {path.stat().st_size:,} bytes")
    print("now: scripts/fit_prediction_error.py, tests/genmo_rt, scripts/model_card.py,")
    print("     the figures in weights/MODEL_CARD.md")
    return 0


def ship(source: Path, index: Path, note: str | None = None) -> list[Path]:
    """Writes a checkpoint in parts, in place of whatever parts its index had before.

    Args:
        note: in place of the checkpoint's.
    Returns:
        The parts.
    Raises:
        GenmoError: it can't be read or mustn't ship.
    """
    made = load_checkpoint(source)
    _check(made, source)
    if note is not None:
        made = Checkpoint(made.model, made.stats, made.body, note, made.centred)
    stem = index.name.split(".", 1)[0]
    with tempfile.TemporaryDirectory(dir=index.parent) as folder:
        fresh = Path(folder) / index.name
        save_checkpoint(fresh, made)
        large = [path.name for path in Path(folder).iterdir() if path.stat().st_size >= LIMIT]
        if large:
            raise GenmoError(f"{large[0]} has {LIMIT >> 20} MiB or more; expected smaller parts")
        again = load_checkpoint(fresh)
        for name, weight in made.model.state_dict().items():
            if not torch.allclose(again.model.state_dict()[name], weight, rtol=1e-3, atol=1e-6):
                raise GenmoError(f"{name} didn't come back as it was; expected it to fit float16")
        for old in index.parent.glob(f"{stem}-*-of-*.safetensors"):
            old.unlink()
        (index.parent / f"{stem}.safetensors").unlink(missing_ok=True)
        parts = [
            Path(shutil.move(path, index.parent / path.name))
            for path in sorted(Path(folder).glob("*.safetensors"))
        ]
        shutil.move(fresh, index)
    return parts


def _check(made: Checkpoint, source: Path) -> None:
    if made.body != "builtin":
        raise GenmoError(f"{source} is of body {made.body!r}; expected 'builtin', which ships")
    if not made.model.noised.weight.any():
        raise GenmoError(f"{source} can only estimate; expected one that generates too")
    for name, weight in made.model.state_dict().items():
        if not (weight.isfinite().all() and weight.abs().amax() <= LARGEST):
            raise GenmoError(f"{source}: {name} has numbers that float16 can't hold")


if __name__ == "__main__":
    sys.exit(main())
