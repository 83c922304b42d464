"""The noise schedule and the DDIM sampler."""

import pytest
import torch

from genmo_rt.diffusion import LAST_TIMESTEP, TIMESTEPS, Schedule, guide, sampling_levels
from genmo_rt.errors import InputError

SCHEDULE = Schedule()


def test_signal_falls_from_nearly_all_to_nearly_nothing() -> None:
    alpha_bar = SCHEDULE.alpha_bar
    assert alpha_bar.shape == (TIMESTEPS,)
    assert (alpha_bar.diff() < 0).all()
    assert alpha_bar[0] > 0.9999
    assert alpha_bar[-1] < 1e-7
    middle = torch.cos(torch.tensor((0.5 + 0.008) / 1.008 * torch.pi / 2)) ** 2
    cosine_at_0 = torch.cos(torch.tensor(0.008 / 1.008 * torch.pi / 2)) ** 2
    assert alpha_bar[499] == pytest.approx(float(middle / cosine_at_0), rel=1e-4)


def test_noised_normal_motion_keeps_unit_variance_at_every_level() -> None:
    generator = torch.Generator().manual_seed(0)
    x0, noise = torch.randn(2, 1000, 2000, generator=generator)
    level = torch.arange(0, TIMESTEPS)
    variance = SCHEDULE.add_noise(x0, noise, level).var(dim=1)
    assert (variance - 1).abs().max() < 0.2  # 2,000 samples: six standard errors


def test_ddim_walks_back_along_the_noise_that_was_added() -> None:
    generator = torch.Generator().manual_seed(1)
    x0, noise = torch.randn(2, 3, 7, 5, generator=generator, dtype=torch.float64)
    level, lower = torch.tensor([999, 600, 40]), torch.tensor([959, 500, 3])
    stepped = SCHEDULE.ddim_step(SCHEDULE.add_noise(x0, noise, level), x0, level, lower)
    torch.testing.assert_close(stepped, SCHEDULE.add_noise(x0, noise, lower))
    assert SCHEDULE.ddim_step(stepped, x0, lower, None) is x0


@pytest.mark.parametrize("steps", [1, 7, 50, 999, 1000])
def test_sampling_starts_at_pure_noise_and_visits_each_level_once(steps: int) -> None:
    levels = sampling_levels(steps)
    assert levels[0] == LAST_TIMESTEP
    assert len(set(levels)) == steps
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] >= 0


@pytest.mark.parametrize("steps", [0, -3, 1001])
def test_steps_outside_the_schedule_are_refused(steps: int) -> None:
    with pytest.raises(InputError, match=f"steps is {steps}; expected 1 to 1000"):
        sampling_levels(steps)


def test_a_perfect_denoiser_makes_ddim_end_at_the_posterior_mean_of_its_seed() -> None:
    """For normal data with mean m and deviation s the probability flow is known: m + s z."""
    mean, deviation = 2.0, 0.5
    noise = torch.linspace(-2, 2, 9, dtype=torch.float64)[None]
    x = noise
    levels = sampling_levels(1000)
    for here, after in zip(levels, [*levels[1:], None], strict=True):
        a = SCHEDULE.alpha_bar[here]
        gain = a.sqrt() * deviation**2 / (a * deviation**2 + 1 - a)
        x0 = mean + gain * (x - a.sqrt() * mean)
        lower = None if after is None else torch.tensor([after])
        x = SCHEDULE.ddim_step(x, x0, torch.tensor([here]), lower)
    torch.testing.assert_close(x, mean + deviation * noise, atol=0.01, rtol=0)


def test_guidance_of_one_is_the_condition_and_more_goes_beyond_it() -> None:
    without, with_text = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0])
    torch.testing.assert_close(guide(without, with_text, 1.0), with_text)
    torch.testing.assert_close(guide(without, with_text, 2.5), torch.tensor([2.5, 1.0]))
