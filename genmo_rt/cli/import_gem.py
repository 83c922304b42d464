"""`genmo-rt import-gem`: the weights of GENMO's official release, into a file of ours."""

import argparse
from pathlib import Path

from genmo_rt.arguments import Commands, command
from genmo_rt.cli.common import progress
from genmo_rt.errors import InputError


def add(commands: Commands) -> None:
    """Registers the command."""
    parser = command(
        commands,
        "import-gem",
        _import,
        "Turn GEM-SMPL's published checkpoint into a safetensors file.",
        "genmo-rt import-gem gem_smpl.ckpt -o gem.safetensors",
    )
    parser.add_argument("gem", type=Path, metavar="CKPT", help="gem_smpl.ckpt of the release")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="OUT.safetensors", help="where it goes"
    )
    parser.add_argument(
        "--float32", action="store_true", help="keep full precision: twice the size"
    )


def _import(args: argparse.Namespace) -> int:
    if args.out.suffix != ".safetensors":
        raise InputError(f"--out is {args.out}; expected a name that ends in .safetensors")
    if not args.out.parent.is_dir():
        raise InputError(f"--out is {args.out}; expected a folder that exists")
    import torch

    from genmo_rt.gem.importing import import_gem, save_gem

    with progress(f"importing {args.gem.name}", 2) as advance:
        checkpoint = import_gem(args.gem)
        advance(None)
        save_gem(args.out, checkpoint, torch.float32 if args.float32 else torch.float16)
        advance(None)
    config = checkpoint.model.config
    count = sum(p.numel() for p in checkpoint.model.parameters())
    print(f"{args.out}: {count / 1e6:.0f} M parameters, {config.layers} layers of {config.width}")
    return 0
