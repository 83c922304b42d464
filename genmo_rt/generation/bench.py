"""What a text-to-motion clip costs: the whole way from the text to the clip, measured."""

import time
from dataclasses import dataclass

import torch

from genmo_rt.checkpoint import Checkpoint
from genmo_rt.clock import TICK_HZ
from genmo_rt.generation import STEPS, Show
from genmo_rt.generation.generator import Generator
from genmo_rt.generation.sampler import is_bfloat16_fast
from genmo_rt.generation.timeline import TextInterval, Timeline
from genmo_rt.model import PRESETS, Model
from genmo_rt.motion import MOTION_WIDTH, MotionStats
from genmo_rt.smpl import load_body
from genmo_rt.text import TextEncoder


@dataclass(frozen=True, slots=True)
class GenerationCost:
    """One clip.

    Attributes:
        size: of the model, random weights.
        seconds: of motion.
        steps: denoising steps, each with and without the text.
        threads: torch's.
        bfloat16: whether all but the last steps ran in it.
        wall_s: from the text to the clip in the world; loading isn't counted.
        cpu_s: processor time of all threads meanwhile: what it is where nothing else runs.
    """

    size: str
    seconds: float
    steps: int
    threads: int
    bfloat16: bool
    wall_s: float
    cpu_s: float


def bench_generate(
    size: str,
    threads: int,
    encoder: TextEncoder,
    *,
    seconds: float = 10.0,
    steps: int = STEPS,
    show: Show = lambda done, total: None,
) -> GenerationCost:
    """Times one clip on the CPU, after a first step has warmed everything up.

    Args:
        size: a preset's name.
        threads: torch's intra-op threads.
        encoder: of the text.
        seconds: of motion.
        steps: denoising steps.
        show: told of progress.
    """
    torch.manual_seed(0)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    stats = MotionStats(torch.zeros(MOTION_WIDTH), torch.full((MOTION_WIDTH,), 0.1))
    model = Model(PRESETS[size]).eval().requires_grad_(False)
    generator = Generator(Checkpoint(model, stats, "builtin", "random"), load_body(), encoder)
    length = round(seconds * TICK_HZ)
    text = TextInterval("a person walks forward and waves", 0, length)
    timeline = Timeline(length, texts=(text,))
    try:
        generator.generate(timeline, steps=1)
        started, used = time.perf_counter(), time.process_time()
        generator.generate(timeline, steps=steps, show=show)
        wall_s, cpu_s = time.perf_counter() - started, time.process_time() - used
    finally:
        torch.set_num_threads(before)
    fast = is_bfloat16_fast(torch.device("cpu"))
    return GenerationCost(size, seconds, steps, threads, fast, wall_s, cpu_s)
