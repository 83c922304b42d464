"""One run on several processes: the group that averages gradients, joined and left whole."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import distributed


@contextmanager
def process_group(backend: str, **how: object) -> Iterator[None]:
    """This process among the others of a run; `how` is for `init_process_group`.

    All leave together, and no thread of the group outlives it.
    """
    # Its functions have the group of their import as a default argument. Optimisers import it at
    # their first step; the group would then live until the interpreter ends, where a thread of
    # gloo that gives back a tensor aborts the process.
    import torch.distributed.nn  # noqa: F401

    distributed.init_process_group(backend, **how)  # type: ignore[arg-type]
    try:
        yield
        distributed.barrier()  # whoever leaves first can abort the other
    finally:
        distributed.destroy_process_group()
