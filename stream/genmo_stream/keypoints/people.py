"""The live 2D stage: several people found and followed, each by a landmarker of their own.

- Followed: one look per person and frame, several people at once on as many cores as there are.
- Nobody followed: the search that a single person gets (search.py), on every frame.
- Somebody followed and room for more: a look now and then, the followed people painted over,
  where the scout (scout.py) says. Who is found must stand some looks.
- Two followers on one body (held.py): the one that slid there is put back where its person should
  be and from then on looks at pictures in which the other one is painted over. Where that doesn't
  help, it lets go.
- A landmarker takes half a second to make, so the next one is made beforehand, aside.
"""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from genmo_rt.keypoints import Keypoints
from genmo_stream.keypoints.colours import clothes
from genmo_stream.keypoints.cover import Pixels
from genmo_stream.keypoints.follower import Follower, Glimpse
from genmo_stream.keypoints.held import (
    Held,
    Sight,
    are_near,
    is_left_over,
    on_others,
)
from genmo_stream.keypoints.landmarker import Landmarker, PoseModel
from genmo_stream.keypoints.mediapipe import check_picture
from genmo_stream.keypoints.plausible import FOUND
from genmo_stream.keypoints.scout import Scout
from genmo_stream.keypoints.search import Search
from genmo_stream.seen import SeenPerson

CONFIRMING_LOOKS = 3  # that somebody found beside others must stand before they are told of ...
BACK_LOOKS = 1  # ... and somebody in the place and the clothes of who was lost
REMEMBERED_SIGHTS = 10  # frames that somebody was followed for to be looked for once lost
MAX_SLIPS = 12  # of a follower onto who hides its person, before it lets go


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
        self._held: list[Held] = []
        self._spare: Follower | None = Follower(Landmarker(model))
        self._making: Future[Follower] | None = None
        self._search = Search("live")
        self._scout = Scout()
        self._settled = True  # nobody's follower was on another body in the last picture
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
            held.rescale(factor)
        self._image_size = size
        self._scout.rescale()
        self._search.start()

    def _look_for_anybody(self, image: NDArray[np.uint8], t_us: int) -> tuple[SeenPerson, ...]:
        follower = self._free()
        seen = None if follower is None else self._search.find(follower, image)
        if follower is None or seen is None:
            return ()
        wear = clothes(image, seen.pixels, seen.landmarks.visibility)
        keypoints = self._hold(follower, seen, wear, t_us, looks=0)
        self._scout.found(seen.pixels, t_us)
        self._search.start()
        return (SeenPerson(keypoints, wear),)

    def _follow_all(self, image: NDArray[np.uint8], t_us: int) -> list[SeenPerson]:
        """One look per person; who is lost, or on somebody else's body, isn't among them."""
        sights = [
            Sight(held, seen, clothes(image, seen.pixels, seen.landmarks.visibility))
            for held, seen in self._glimpses(image)
            if seen is not None
        ]
        seen_held = [sight.held for sight in sights]
        for held in [held for held in self._held if held not in seen_held]:
            self._let_go(held, gone=True)
        guessed = [x.held for x in sights if x.is_guessed and x.held.behind is not None]
        sights = [sight for sight in sights if sight.held not in guessed]
        off = [*((held, held.behind) for held in guessed if held.behind), *on_others(sights)]
        self._settled = not off
        for held, other in off:
            self._put_back(held, other, t_us)
            sights = [sight for sight in sights if sight.held is not held]
        return [person for sight in sights for person in self._go_on(sight, sights, t_us)]

    def _glimpses(self, image: NDArray[np.uint8]) -> list[tuple[Held, Glimpse | None]]:
        def follow(held: Held) -> tuple[Held, Glimpse | None]:
            follower = held.follower
            if held.looks and follower.window is not None:  # one look must do
                return held, follower.look(image, follower.window, FOUND, held.hiders)
            return held, follower.follow(image, held.hiders)

        if len(self._held) == 1:
            return [follow(self._held[0])]
        return list(self._workers.map(follow, self._held))

    def _go_on(self, sight: Sight, sights: Sequence[Sight], t_us: int) -> list[SeenPerson]:
        """Follows somebody to where they are now; empty while they still must stand."""
        held = sight.held
        if held.looks == 1:
            self._scout.found(sight.seen.pixels, t_us)
        held.looks = max(0, held.looks - 1)
        held.go_on(sight, t_us, alone=not any(sight.near(o) for o in sights if o is not sight))
        keypoints = held.follower.keep(sight.seen, t_us, self._image_size)
        wear = None if held.hider is not None else sight.clothes  # else the hider's
        return [] if held.looks else [SeenPerson(keypoints, wear)]

    def _put_back(self, held: Held, other: Held, t_us: int) -> None:
        """A follower slid onto somebody else's body: it goes on where its person should be."""
        held.slips += 1
        if (held.looks and not held.is_back) or held.slips > MAX_SLIPS:
            self._let_go(held, gone=False)
            return
        held.behind = other
        if other.behind is held:
            other.behind = None
        held.pixels = held.lost().place(t_us)
        held.follower.steer(held.pixels)

    def _let_go(self, held: Held, *, gone: bool) -> None:
        self._held.remove(held)
        for other in self._held:
            if other.behind is held:
                other.behind = None
        if held.sights >= REMEMBERED_SIGHTS:
            self._scout.lose(held.lost(self._held), self._limit)
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
        stand = self._settled and not any(held.looks for held in self._held)
        if len(self._held) >= self._limit or not stand:
            return
        follower = self._free()
        if follower is None:
            return
        others = [held.pixels for held in self._held]
        window = self._scout.next_window(image, t_us, others)
        if window is None:
            return
        lost = self._scout.after_lost
        seen = follower.look(image, window, FOUND, others, "figure" if lost else "around")
        if seen is not None and any(is_left_over(seen.pixels, pixels) for pixels in others):
            follower.forget()
            seen = None
        if seen is None:
            self._scout.nobody()
            return
        wear = clothes(image, seen.pixels, seen.landmarks.visibility)
        back = self._scout.who_is_back(seen.pixels, wear, t_us)
        near = [held for held in self._held if are_near(held.pixels, seen.pixels)]
        looks = CONFIRMING_LOOKS if back is None else BACK_LOOKS
        self._hold(follower, seen, wear, t_us, looks=looks)
        if back is not None:
            found = self._held[-1]
            found.clothes, found.is_back = back.clothes, True
            found.behind, found.slips = (near[0], 1) if near else (None, 0)

    def _hold(
        self, follower: Follower, seen: Glimpse, wear: Pixels | None, t_us: int, *, looks: int
    ) -> Keypoints:
        self._spare = None
        self._held.append(Held(follower, looks, seen.pixels, wear, t_us, seen.pixels))
        return follower.keep(seen, t_us, self._image_size)

    def _free(self) -> Follower | None:
        """A follower who holds nobody; None while one is being made."""
        if self._spare is None:
            if self._making is None:
                self._making = _make_aside(self._model)
            if self._making.done():
                self._spare, self._making = self._making.result(), None
        return self._spare


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
