"""How fast a publisher may send, over simulated networks."""

import random
from collections.abc import Callable

from genmo_stream.bandwidth import LEAST_BPS, START_BPS, BandwidthGuide

PACKET = 1200  # bytes


def simulate(
    seconds: float,
    link_bps: Callable[[float], float],
    *,
    hiccup: Callable[[random.Random], float] = lambda rng: 0.0,
    most_bps: int = 4_000_000,
) -> list[tuple[float, float, float]]:
    """A sender that sends 30 frames a second at the last limit, a link that queues.

    Returns:
        (time s, limit bit/s, queueing s) at each frame.
    """
    guide, rng = BandwidthGuide(most_bps), random.Random(3)
    limit, free_at, log = 300_000.0, 0.0, []
    for frame in range(int(seconds * 30)):
        sent = frame / 30
        for _ in range(max(1, round(limit / 30 / 8 / PACKET))):
            free_at = max(free_at, sent) + PACKET * 8 / link_bps(sent)
            arrival_ms = round((100 + free_at + 0.02 + hiccup(rng)) * 1000)
            told = guide.add(arrival_ms, int(sent * (1 << 18)) & 0xFFFFFF, PACKET, 7)
            if told is not None:
                limit = float(told[0])
                assert told[1] == [7]
        log.append((sent, limit, free_at - sent))
    return log


def test_the_first_packet_is_answered_with_enough_for_a_sharp_picture() -> None:
    assert BandwidthGuide(4_000_000).add(5, 0, PACKET, 7) == (START_BPS, [7])
    assert BandwidthGuide(1_000_000).add(5, 0, PACKET, 7) == (1_000_000, [7])


def test_a_wide_link_is_used_to_the_limit_even_when_the_server_stutters() -> None:
    log = simulate(
        80, lambda t: 100e6, hiccup=lambda rng: 0.06 * rng.random() + 0.1 * (rng.random() < 0.1)
    )
    assert min(limit for _, limit, _ in log) >= START_BPS * 0.99
    assert log[-1][1] == 4_000_000  # past the wrap of the 64 s send time, too


def test_a_narrow_link_is_filled_without_a_lasting_queue() -> None:
    log = simulate(60, lambda t: 1e6)
    settled = [entry for entry in log if entry[0] > 10]
    assert 0.5e6 < sum(limit for _, limit, _ in settled) / len(settled) < 1.1e6
    assert max(queued for _, _, queued in settled) < 0.5


def test_a_link_that_narrows_is_followed_down_and_up_again() -> None:
    log = simulate(60, lambda t: 0.5e6 if 20 < t < 30 else 10e6)
    narrow = [limit for t, limit, _ in log if 24 < t < 30]
    assert LEAST_BPS <= min(narrow) <= max(narrow) < 0.7e6
    assert log[-1][1] > 2e6
