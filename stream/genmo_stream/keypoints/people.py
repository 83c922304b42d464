"""The live 2D stage: several people found and followed, each by a landmarker of their own.

- Followed: one look per person and frame, several people at once on as many cores as there are.
- Nobody followed: the search that a single person gets (search.py), on every frame.
- Somebody followed and room for more: one look every few frames at where nobody is held, the
  followed people painted over: around those lost lately, at the whole picture, and through
  windows of the size that followed people suggest. Who is found must stand some looks.
- Two followers on one body: the one that jumped there lets go.
- A landmarker takes half a second to make, so the next one is made beforehand, aside.
"""

import os
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from genmo_rt.keypoints import Keypoints
from genmo_stream.keypoints.colours import blend, clothes, distance
from genmo_stream.keypoints.crops import Window, search_windows, whole
from genmo_stream.keypoints.follower import WIDER, Follower, Glimpse, Pixels
from genmo_stream.keypoints.landmarker import Landmarker, PoseModel
from genmo_stream.keypoints.measure import box_size, shoulder_centre, torso_size
from genmo_stream.keypoints.mediapipe import check_picture
from genmo_stream.keypoints.plausible import FOUND
from genmo_stream.keypoints.search import Search
from genmo_stream.seen import SeenPerson

CONFIRMING_LOOKS = 3  # that somebody found beside others must stand before they are told of
SEARCH_EVERY, EAGER_EVERY, IDLE_EVERY = 5, 2, 8  # frames from look to look for others
EAGER_US = 1_500_000  # after somebody came or was lost
IDLE_US = 6_000_000  # without anybody coming or going
LOST_US = 10_000_000  # how long a lost person's place is looked at again
SAME_BODY = 0.35  # torsos between two followers' landmarks, on average: they are on one body
SIZES = (1.3, 2.7)  # windows to look for others through, in box sizes of who is followed
SURE = 0.5  # visibility of landmarks that tell bodies apart
NEAR = 1.5  # torsos between shoulders: one of the two may hide the other
KEEP_CLOTHES = 0.1  # of a new sight in what is remembered of somebody's clothes
OWN_CLOTHES = 0.45  # distance up to which clothes are taken for the same person's
CHANGED = 0.1  # the follower whose clothes changed by so much more is on the other's body ...
TAKEN_OVER = 0.2  # ... and one near another, whose clothes by so much rather are that one's


@dataclass(slots=True, eq=False)
class _Held:
    """Somebody who is followed.

    Attributes:
        follower: who holds them.
        looks: that they must still stand before they are told of.
        pixels: (33, 2) where they were seen last.
        home: the same, where it was surely them.
        clothes: what they wear.
    """

    follower: Follower
    looks: int
    pixels: Pixels
    home: Pixels
    clothes: Pixels | None


@dataclass(frozen=True, slots=True)
class _Sight:
    """Somebody who is followed, in this frame."""

    held: _Held
    seen: Glimpse
    clothes: Pixels | None

    @property
    def changed(self) -> float:
        """How far the clothes are from what is remembered of them."""
        return distance(self.held.clothes, self.clothes)

    @property
    def step(self) -> float:
        """How far the landmarks moved since the frame before, torsos."""
        moved = np.linalg.norm(self.seen.pixels - self.held.pixels, axis=1).mean()
        return float(moved / torso_size(self.held.pixels))

    def near(self, other: "_Sight") -> bool:
        """Whether one of the two may hide the other."""
        apart = np.linalg.norm(
            shoulder_centre(self.seen.pixels) - shoulder_centre(other.seen.pixels)
        )
        torso = max(torso_size(self.seen.pixels), torso_size(other.seen.pixels))
        return bool(apart < NEAR * torso)


@dataclass(frozen=True, slots=True)
class _Lost:
    """Where somebody was lost, and when."""

    window: Window
    at_us: int


@dataclass(slots=True)
class _Rounds:
    """What comes next in the search for others."""

    looks: int = 0
    windows: deque[Window] = field(default_factory=deque)


class PeopleStage:
    """A KeypointStage for up to `limit` people; calls are serialised by a lock."""

    def __init__(self, model: PoseModel = "full", *, limit: int = 4) -> None:
        """Makes the first landmarker; others follow as people come.

        Args:
            model: `full`, or `lite` at 2/3 of its cost.
            limit: people followed at once.
        """
        self._model = model
        self._limit = limit
        self._lock = threading.Lock()
        self._image_size = (0, 0)
        self._held: list[_Held] = []
        self._spare: Follower | None = Follower(Landmarker(model))
        self._making: Future[Follower] | None = None
        self._search = Search("live")
        self._rounds = _Rounds()
        self._lost: list[_Lost] = []
        self._since_look = 0  # frames since others were last looked for
        self._eager_until_us = 0
        self._changed_us = 0
        self._workers = ThreadPoolExecutor(min(limit, os.cpu_count() or 1), "2D people")

    def look(self, image: NDArray[np.uint8], t_us: int) -> tuple[SeenPerson, ...]:
        """Returns everybody seen in this picture, longest followed first.

        Args:
            image: (H, W, 3) uint8 RGB, upright.
            t_us: capture time in microseconds on any steady clock.
        Raises:
            InputError: the picture has another shape or type.
        """
        check_picture(image)
        with self._lock:
            self._adopt_size((image.shape[1], image.shape[0]))
            if not self._held:
                return self._look_for_anybody(image, t_us)
            people = self._follow_all(image, t_us)
            if self._held:
                self._look_for_others(image, t_us)
            return tuple(people)

    def close(self) -> None:
        with self._lock:
            self._workers.shutdown()
            followers = [held.follower for held in self._held]
            if self._making is not None and self._making.exception() is None:
                followers.append(self._making.result())
            if self._spare is not None:
                followers.append(self._spare)
            self._held, self._spare, self._making = [], None, None
            for follower in followers:
                follower.close()

    def _adopt_size(self, size: tuple[int, int]) -> None:
        """Keeps hold of people when the sender changes the picture's resolution."""
        if size == self._image_size:
            return
        factor = max(size) / max(*self._image_size, 1)
        for held in self._held:
            held.follower.rescale(factor)
            held.pixels = held.pixels * np.float32(factor)
        self._image_size = size
        self._lost = []
        self._rounds = _Rounds()
        self._search.start()

    def _look_for_anybody(self, image: NDArray[np.uint8], t_us: int) -> tuple[SeenPerson, ...]:
        follower = self._free()
        seen = None if follower is None else self._search.find(follower, image)
        if follower is None or seen is None:
            return ()
        wear = clothes(image, seen.pixels, seen.landmarks.visibility)
        keypoints = self._hold(follower, seen, wear, t_us, looks=0)
        self._search.start()
        return (SeenPerson(keypoints, wear),)

    def _follow_all(self, image: NDArray[np.uint8], t_us: int) -> list[SeenPerson]:
        """One look per person; who is lost, or on somebody else's body, is let go."""
        sights = [
            _Sight(held, seen, clothes(image, seen.pixels, seen.landmarks.visibility))
            for held, seen in self._glimpses(image)
            if seen is not None
        ]
        seen_held = [sight.held for sight in sights]
        for held in [held for held in self._held if held not in seen_held]:
            self._let_go(held, t_us, gone=True)
        for held in _on_others(sights):
            self._let_go(held, t_us, gone=False)
            sights = [sight for sight in sights if sight.held is not held]
        return [person for sight in sights for person in self._go_on(sight, sights, t_us)]

    def _go_on(self, sight: _Sight, sights: Sequence[_Sight], t_us: int) -> list[SeenPerson]:
        """Follows somebody to where they are now; empty while they still must stand."""
        held = sight.held
        if held.looks == 1:
            self._stir(t_us)
        held.looks = max(0, held.looks - 1)
        held.pixels = sight.seen.pixels
        if sight.changed <= OWN_CLOTHES:
            held.home = held.pixels
        if not any(sight.near(other) for other in sights if other is not sight):
            held.clothes = blend(held.clothes, sight.clothes, KEEP_CLOTHES)
        keypoints = held.follower.keep(sight.seen, t_us, self._image_size)
        return [] if held.looks else [SeenPerson(keypoints, sight.clothes)]

    def _glimpses(self, image: NDArray[np.uint8]) -> list[tuple[_Held, Glimpse | None]]:
        def follow(held: _Held) -> tuple[_Held, Glimpse | None]:
            follower = held.follower
            if held.looks and follower.window is not None:  # one look must do
                return held, follower.look(image, follower.window, FOUND)
            return held, follower.follow(image)

        if len(self._held) == 1:
            return [follow(self._held[0])]
        return list(self._workers.map(follow, self._held))

    def _let_go(self, held: _Held, t_us: int, *, gone: bool) -> None:
        self._held.remove(held)
        if held.looks == 0:
            window = Window.around(held.home, WIDER)
            self._lost = [*self._lost[1 - self._limit :], _Lost(window, t_us)]
            self._stir(t_us)
        if gone:
            held.follower.window = None
        else:
            held.follower.forget()
        if self._spare is None:
            self._spare = held.follower
        else:
            held.follower.close()

    def _look_for_others(self, image: NDArray[np.uint8], t_us: int) -> None:
        """One look at where nobody is held, if it is time for one and there is room."""
        self._since_look += 1
        eager, idle = t_us < self._eager_until_us, t_us - self._changed_us > IDLE_US
        every = EAGER_EVERY if eager else IDLE_EVERY if idle else SEARCH_EVERY
        somebody_stands = any(held.looks for held in self._held)
        if len(self._held) >= self._limit or somebody_stands or self._since_look < every:
            return
        follower = self._free()
        if follower is None:
            return
        self._since_look = 0
        others = [held.pixels for held in self._held]
        seen = follower.look(image, self._next_window(t_us), FOUND, others)
        if seen is None:
            return
        if any(_overlap(seen.pixels, pixels) for pixels in others):
            follower.forget()
            return
        wear = clothes(image, seen.pixels, seen.landmarks.visibility)
        self._hold(follower, seen, wear, t_us, looks=CONFIRMING_LOOKS)

    def _hold(
        self, follower: Follower, seen: Glimpse, wear: Pixels | None, t_us: int, *, looks: int
    ) -> Keypoints:
        self._spare = None
        self._held.append(_Held(follower, looks, seen.pixels, seen.pixels, wear))
        self._lost = [x for x in self._lost if not _contains(x.window, seen.pixels)]
        if looks == 0:
            self._stir(t_us)
        return follower.keep(seen, t_us, self._image_size)

    def _stir(self, t_us: int) -> None:
        """Somebody came or went: others may, too."""
        self._changed_us, self._eager_until_us = t_us, t_us + EAGER_US

    def _free(self) -> Follower | None:
        """A follower who holds nobody; None while one is being made."""
        if self._spare is None:
            if self._making is None:
                self._making = _make_aside(self._model)
            if self._making.done():
                self._spare, self._making = self._making.result(), None
        return self._spare

    def _next_window(self, t_us: int) -> Window:
        """Where to look for others: by turns at lost places, the whole picture, and windows."""
        self._lost = [lost for lost in self._lost if t_us - lost.at_us <= LOST_US]
        self._rounds.looks += 1
        turn = self._rounds.looks
        if self._lost and turn % 2:
            return self._lost[turn // 2 % len(self._lost)].window
        width, height = self._image_size
        if turn % 4 == 2:
            return whole(width, height)
        if not self._rounds.windows:
            self._rounds.windows.extend(self._windows())
        return self._rounds.windows.popleft() if self._rounds.windows else whole(width, height)

    def _windows(self) -> list[Window]:
        """Windows in which people about as big as those who are followed would be found."""
        size = float(np.median([box_size(held.pixels) for held in self._held]))
        low, high = SIZES[0] * size, SIZES[1] * size
        return [w for w in search_windows(*self._image_size) if low <= w.side <= high]


def _on_others(sights: Sequence[_Sight]) -> list[_Held]:
    """Those whose follower is on a body that another one holds with better right."""
    off: list[_Held] = []
    for i, one in enumerate(sights):
        for other in sights[i + 1 :]:
            if one.held in off or other.held in off or not one.near(other):
                continue
            jumped = [a for a, b in ((one, other), (other, one)) if _is_taken_over(a, b)]
            if len(jumped) == 1:
                off.append(jumped[0].held)
            elif same_body(one.seen, other.seen):
                off.append(_intruder(one, other).held)
    return off


def _is_taken_over(one: _Sight, other: _Sight) -> bool:
    """Whether a follower is on the other's body, as far as clothes tell."""
    return one.changed - distance(other.held.clothes, one.clothes) > TAKEN_OVER


def _intruder(one: _Sight, other: _Sight) -> _Sight:
    """Which of two on one body doesn't belong there: who still must stand, wears, or jumped."""
    if bool(one.held.looks) != bool(other.held.looks):
        return one if one.held.looks else other
    if abs(one.changed - other.changed) > CHANGED:
        return one if one.changed > other.changed else other
    return one if one.step > other.step else other


def same_body(one: Glimpse, other: Glimpse) -> bool:
    """Whether two glimpses are of one body: the landmarks that both are sure of coincide."""
    sure = (one.landmarks.visibility >= SURE) & (other.landmarks.visibility >= SURE)
    if sure.sum() < 6:
        sure = np.ones_like(sure)
    apart = np.linalg.norm(one.pixels - other.pixels, axis=1)[sure].mean()
    return bool(apart < SAME_BODY * max(torso_size(one.pixels), torso_size(other.pixels)))


def _overlap(pixels: Pixels, held: Pixels) -> bool:
    """Whether a find is what is left to see of somebody who is painted over."""
    apart = np.linalg.norm(pixels[11:29] - held[11:29], axis=1).mean()
    return bool(apart < 2 * SAME_BODY * max(torso_size(pixels), torso_size(held)))


def _contains(window: Window, pixels: Pixels) -> bool:
    x, y = pixels[[11, 12, 23, 24]].mean(axis=0) - (window.x, window.y)
    return bool(0 <= x <= window.side and 0 <= y <= window.side)


def _make_aside(model: PoseModel) -> "Future[Follower]":
    """Makes a landmarker in a thread of its own."""
    made: Future[Follower] = Future()

    def make() -> None:
        try:
            made.set_result(Follower(Landmarker(model)))
        except BaseException as error:
            made.set_exception(error)

    threading.Thread(target=make, name="2D landmarker", daemon=True).start()
    return made
