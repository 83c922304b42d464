"""When and where to look for others than those who are followed, at a bounded price.

- A look that finds nobody costs two thirds of a followed person's. There are so many looks per
  second of capture time, saved up to a few: they go where the picture changed beyond those who are
  followed, and by turns to the whole picture and windows in it, for those who stand still.
- Who was just lost has looks of their own, for some seconds if somebody may hide them: where they
  should be by now and around that one. Later their places take part in the turns.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genmo_stream.keypoints.colours import distance
from genmo_stream.keypoints.cover import Pixels
from genmo_stream.keypoints.crops import Window, search_windows, whole
from genmo_stream.keypoints.follower import WIDER
from genmo_stream.keypoints.measure import box_size, torso_size
from genmo_stream.keypoints.scene import Scene

LOOKS_PER_S = 0.8  # what searching may cost: at 30 frames/s, a look in 3 % of them
SAVED_LOOKS = 6.0  # for when something happens
START_LOOKS = 10.0  # once somebody is found, as often there are others
APART_US, MAX_APART_US, SLOWING = 80_000, 600_000, 1.25  # between looks, longer with every vain one
CHECK_US = 120_000  # between two looks at what changed, which cost next to nothing
TURN_EVERY = 3  # of the looks while something changes goes on by turns
WHOLE_EVERY = 3  # of the looks by turns goes to the whole picture
FIRST_TURNS, TURN_PRICE = 6, 2  # after so many, a look by turns costs more than others
SIZES = (1.3, 2.7)  # windows to look for others through, in box sizes of who is followed

LOST_US = 10_000_000  # how long a lost person's place is looked at again
SOON_US, SOON_HIDDEN_US = 600_000, 3_000_000  # how long such looks are free
GO_ON_S = 0.8  # for so long somebody lost goes on as they went
BACK_WITHIN = 2.0  # torsos from where somebody lost should be, or was
BACK_CLOTHES = 0.5  # distance of their clothes

TORSO = [11, 12, 23, 24]


@dataclass(eq=False, slots=True)
class Lost:
    """Somebody who isn't seen any more.

    Attributes:
        pixels: (33, 2) where they were seen last.
        velocity: (2,) pixels per second, then.
        at_us: when.
        clothes: what they wear.
        hidden: somebody was near who may hide them.
        looks: at their place since.
    """

    pixels: Pixels
    velocity: NDArray[np.float64]
    at_us: int
    clothes: Pixels | None
    hidden: bool
    looks: int = 0

    def place(self, t_us: int) -> Pixels:
        """Where they should be by now."""
        gap_s = min((t_us - self.at_us) / 1e6, GO_ON_S)
        return np.asarray(self.pixels + self.velocity * gap_s, np.float32)

    def window(self, t_us: int, size: tuple[int, int], hiders: Sequence[Pixels]) -> Window:
        """Where to look for them: by turns at their place and around who may hide them."""
        place = self.place(t_us)
        middle = place[TORSO].mean(axis=0)
        if hiders and self.looks % 2:
            apart = [np.linalg.norm(h[TORSO].mean(axis=0) - middle) for h in hiders]
            hider = hiders[int(np.argmin(apart))]
            if min(apart) < box_size(hider):
                both = Window.around(np.concatenate((hider, place)), 1.1)
                return both if both.side < max(size) else whole(*size)
        return Window.around(np.concatenate((self.pixels, place)), WIDER)

    def is_near(self, pixels: Pixels, t_us: int) -> bool:
        """Whether (33, 2) landmarks are where they should be now, or were last."""
        apart = (
            np.linalg.norm((pixels - p)[TORSO].mean(axis=0))
            for p in (self.pixels, self.place(t_us))
        )
        return bool(min(apart) < BACK_WITHIN * torso_size(pixels))

    def is_back_soon(self, t_us: int, size: tuple[int, int]) -> bool:
        """Whether they were just lost behind somebody, or in the picture: who left it, left."""
        if self.hidden or t_us - self.at_us > SOON_US:
            return self.hidden and t_us - self.at_us <= SOON_HIDDEN_US
        x, y = self.place(t_us)[TORSO].mean(axis=0)
        return bool(0 <= x <= size[0] and 0 <= y <= size[1])


@dataclass(slots=True)
class _Purse:
    """Looks that may be spent."""

    looks: float = START_LOOKS
    at_us: int | None = None

    def fill(self, t_us: int) -> None:
        passed = 0 if self.at_us is None else max(0, t_us - self.at_us)
        self.looks = max(self.looks, min(SAVED_LOOKS, self.looks + LOOKS_PER_S * passed / 1e6))
        self.at_us = t_us


class Scout:
    """Says through which window to look next, if through any; frame-driven, by capture time.

    Attributes:
        lost: who may come back, longest lost first.
        after_lost: whether the last window was for one of them.
    """

    def __init__(self) -> None:
        self.lost: list[Lost] = []
        self._scene = Scene()
        self._purse = _Purse()
        self._round: deque[Window] = deque()  # windows still to look through by turns
        self._rounds = 0  # looks by turns at no special place ...
        self._turns = 0  # ... and those at lost people's places as well
        self._bought = 0
        self._apart_us: float = APART_US
        self._looked_us: int | None = None
        self._check_us = 0  # when to look at what changed
        self._window: Window | None = None  # that was looked through last
        self.after_lost = False

    def next_window(
        self, image: NDArray[np.uint8], t_us: int, people: Sequence[Pixels]
    ) -> Window | None:
        """Where to look in this frame; None: nowhere.

        Args:
            image: (H, W, 3) uint8 RGB.
            t_us: its capture time.
            people: (33, 2) landmarks of those who are followed, at least one.
        """
        self._purse.fill(t_us)
        self.lost = [x for x in self.lost if 0 <= t_us - x.at_us <= LOST_US]
        if self._looked_us is None or t_us < self._looked_us:
            self._looked_us, self._check_us = t_us - APART_US, t_us
        since_us = t_us - self._looked_us
        if since_us < APART_US:
            return None
        size = (image.shape[1], image.shape[0])
        soon = [x for x in self.lost if x.is_back_soon(t_us, size)]
        window: Window | None
        if soon:
            window = _next_lost(soon).window(t_us, size, people)
        elif t_us >= self._check_us and self._purse.looks >= 1:
            self._check_us = t_us + CHECK_US
            window = self._buy(image, t_us, people)
        else:
            window = None
        if window is not None:
            self._looked_us, self._window, self.after_lost = t_us, window, bool(soon)
            self._check_us = t_us + round(self._apart_us)
        return window

    def nobody(self) -> None:
        """Nobody was found through the last window."""
        if self._window is not None and not self.after_lost:
            self._apart_us = min(self._apart_us * SLOWING, MAX_APART_US)
            self._scene.remember(self._window)

    def lose(self, lost: Lost, limit: int) -> None:
        """Somebody isn't seen any more; at most `limit` are remembered."""
        self.lost = [*self.lost, lost][-limit:]

    def who_is_back(self, pixels: Pixels, clothes: Pixels | None, t_us: int) -> Lost | None:
        """Who of the lost somebody found should be, by place and clothes."""
        here = (lost for lost in self.lost if lost.is_near(pixels, t_us))
        return next((x for x in here if distance(x.clothes, clothes) <= BACK_CLOTHES), None)

    def found(self, pixels: Pixels, t_us: int) -> None:
        """Somebody is there: no one lost is looked for in that place, but more may come."""
        self.lost = [lost for lost in self.lost if not lost.is_near(pixels, t_us)]
        self._apart_us, self._check_us = APART_US, 0
        self._purse.looks = max(self._purse.looks, SAVED_LOOKS)

    def rescale(self) -> None:
        """The picture has another resolution from now on."""
        self.lost, self._round, self._scene = [], deque(), Scene()

    def _buy(self, image: NDArray[np.uint8], t_us: int, people: Sequence[Pixels]) -> Window | None:
        """Where something changed; by turns, if there are looks to spare."""
        width, height = image.shape[1], image.shape[0]
        size = float(np.median([box_size(pixels) for pixels in people]))
        changes = self._scene.changes(image, people)
        self._bought += 1
        if changes and self._bought % TURN_EVERY:
            self._purse.looks -= 1
            part = SIZES[0] * size / 2  # somebody may move a part of them only
            window = changes[0]
            return window if window.side >= part else Window.centred(*window.centre, part)
        if not changes and self._purse.looks < SAVED_LOOKS:
            return None
        self._turns += 1
        self._purse.looks -= TURN_PRICE if self._turns > FIRST_TURNS else 1
        if self.lost and self._turns % 2:
            return _next_lost(self.lost).window(t_us, (width, height), people)
        return self._next_by_turns(width, height, size)

    def _next_by_turns(self, width: int, height: int, size: float) -> Window:
        """The whole picture, and windows in which people about as big would be found."""
        self._rounds += 1
        if self._rounds % WHOLE_EVERY == 1:
            return whole(width, height)
        if not self._round:
            low, high = SIZES[0] * size, SIZES[1] * size
            self._round.extend(w for w in search_windows(width, height) if low <= w.side <= high)
        return self._round.popleft() if self._round else whole(width, height)


def _next_lost(lost: Sequence[Lost]) -> Lost:
    """Whose turn it is."""
    chosen = min(lost, key=lambda x: (x.looks, x.at_us))
    chosen.looks += 1
    return chosen
