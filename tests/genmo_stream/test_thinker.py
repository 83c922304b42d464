"""All streams' estimators in one place: batches, publishers, places, and who fails alone."""

from dataclasses import replace

import numpy as np

from genmo_rt.errors import EngineFull
from genmo_rt.pose import Pose
from genmo_stream.publish_options import PublishOptions
from genmo_stream.solvers import Followed, Solvers, advance_all
from genmo_stream.thinker import Advance, Answer, Company, Forget, Thinker, Thought
from tests.genmo_stream.test_places import frame, make_estimator

PLAIN = PublishOptions()


def ask(
    stream: int, followed: Followed, publisher: int = 1, options: PublishOptions = PLAIN
) -> Advance:
    return Advance(stream, publisher, options, replace(followed, number=followed.seen.tick.index))


def thought(answer: Answer) -> Thought:
    assert isinstance(answer, Thought), answer
    return answer


def same(one: Pose, other: Pose) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in Pose.__slots__)


def test_streams_together_get_the_poses_that_each_gets_alone() -> None:
    thinker = Thinker(make_estimator(slots=4))
    alone = [Solvers(make_estimator(slots=2)) for _ in range(2)]
    for index in range(3):
        frames = [frame(1, index=index), frame(1, 2, index=index)]
        answers = thinker([ask(0, frames[0]), ask(1, frames[1])])
        for solvers, followed, answer in zip(alone, frames, answers, strict=True):
            expected = [poses for poses in advance_all(solvers.of(followed), followed)]
            mine = [posed.poses for posed in thought(answer).persons]
            assert [len(poses) for poses in mine] == [len(poses) for poses in expected]
            for poses, wanted in zip(mine, expected, strict=True):
                assert all(
                    same(pose, other) for (pose, _), (other, _) in zip(poses, wanted, strict=True)
                )
    assert [thought(answer).places for answer in answers] == [1, 2]
    assert thinker.figures.free == 1


def test_a_stream_without_a_place_fails_alone() -> None:
    thinker = Thinker(make_estimator(slots=1))
    first, second = thinker([ask(0, frame(1)), ask(1, frame(1))])
    assert thought(first).places == 1
    assert isinstance(second, EngineFull)
    assert thinker([Forget(0)]) == [None]
    (now,) = thinker([ask(1, frame(1))])
    assert thought(now).places == 1


def test_what_is_forgotten_comes_after_the_frames_ordered_before_it() -> None:
    thinker = Thinker(make_estimator(slots=2))
    before, forgotten, after = thinker([ask(0, frame(1)), Forget(0), ask(0, frame(2, index=1))])
    assert [posed.person for posed in thought(before).persons] == [1]
    assert forgotten is None
    assert [posed.person for posed in thought(after).persons] == [2]
    assert thinker.figures.free == 1


def test_frames_are_due_when_their_poses_are_there_and_a_new_publisher_drops_the_rest() -> None:
    thinker = Thinker(make_estimator(slots=2))
    late = PublishOptions(delay=2)
    answers = thinker([ask(0, frame(1, index=i), options=late) for i in range(4)])
    assert [thought(answer).due for answer in answers] == [(), (), (0,), (1,)]
    (next_one,) = thinker([ask(0, frame(1, index=4), publisher=2, options=late)])
    assert thought(next_one).due == ()  # 2 and 3 were the publisher's before
    assert thought(next_one).places == 1  # the same person
    (other,) = thinker([ask(0, frame(1, index=5), publisher=3)])
    assert thought(other).due == (5,)


def test_company_is_waited_for_where_frames_come_fast_only() -> None:
    company = Company(0.005)
    order = ask(0, frame(1))
    slow = [company.wait_s(order, i / 10) for i in range(30)]
    assert slow == [0.0] * 30
    fast = [company.wait_s(order, 3 + i / 1000) for i in range(60)]
    assert fast[-1] == 0.005
    assert company.wait_s(Forget(0), 4.0) == 0.0
