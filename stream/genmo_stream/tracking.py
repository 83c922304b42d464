"""Who is in the picture: stable ids and states for the people that the 2D stage sees.

Ids outlive being hidden or away; a clearly different person gets a new one, and so does a
doubtful one: ids are never swapped silently. Time is passed in: nothing here knows a clock.

- warmup: the first WARMUP_S seconds of a person who came in. A new stream's first pictures are
  coarse: who is the only one known, and within that time is seen elsewhere, was seen wrongly.
- tracked: seen.
- occluded: seen but mostly hidden, or not seen for up to BRIDGE_S (the estimator goes on alone);
  but who was there for one frame only was hardly anybody, and leaves no ghost.
- lost: not seen for longer. Whoever comes in within RESUME_S of the last sight and can only be
  them gets the id back.

Each frame's people are assigned to those known by the least cost in place, pose and clothes.
Where another assignment is nearly as cheap two people have met: once they are apart, clothes must
tell that the ids are right (or the other way round: then they go back). Where no clothes are seen,
as when only landmarks come, sizes must, unless that took so long that people may have come nearer
or gone further off; if nothing tells, both get new ids.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from genmo_rt.clock import KEEP_S
from genmo_rt.keypoints import Keypoints
from genmo_stream.observation import Observation, PersonState
from genmo_stream.seen import SeenPerson
from genmo_stream.track import CLOTHES_COST, TELLING_SIZE, Form, Track

WARMUP_S = 0.15
BRIDGE_S = 1.0
RESUME_S = KEEP_S
MAX_PERSONS = 4

SEEN_LANDMARKS = np.array((11, 12, 23, 24, 25, 26, 27, 28))  # shoulders, hips, knees, ankles
SEEN_CONFIDENCE = 0.5  # a landmark seen, rather than guessed
MIN_SEEN = 2  # of them, or the person is mostly hidden: a head and shoulders are enough

Costs = NDArray[np.float64]

IMPOSSIBLE = 1e6
LEFT_OUT = 6.0  # of cost: who can't be told by clothes is rather new than traded for more
DOUBT = 0.8  # of cost: an assignment that is better by less than this is doubtful
SETTLE_S = 0.3  # apart, before two who met are told apart by their clothes ...
GIVE_UP_S = 0.6  # ... and after so long without an answer they get new ids
TELLING = 0.12  # difference of clothes' distances that tells two people apart
TELLING_SIZE_PER_S = 0.1  # so much more must sizes differ, per second since two people met
OTHER_CLOTHES = 0.55  # at this distance nobody who was away is taken for the same person ...
SAME_CLOTHES = 0.4  # ... and at this one nobody who comes back where they weren't expected
JUST_NOW_S = 0.15  # whoever was missed in frames for no longer than that counts as seen
LONG_GAP_S = 0.5  # who was missed in frames for longer must be recognised, not followed ...
NO_FRAME_S = BRIDGE_S  # ... and who was in the last frame, when no other came for so long


class PersonTracker:
    """Turns the 2D stage's landmarks, frame by frame, into persons with ids and states."""

    def __init__(self, limit: int = MAX_PERSONS) -> None:
        """Knows nobody yet; at most `limit` are in the picture at once."""
        self._limit = limit
        self._tracks: list[Track] = []
        self._ids_given = 0
        self._moved: set[int] = set()  # in the newest frame
        self._forms: list[Form] = []  # of the newest frame
        self._forgotten: list[Track] = []  # one of whom somebody in it is
        self._before = 0.0  # time of the frame before

    def update(self, people: Sequence[SeenPerson], t: float) -> tuple[Observation, ...]:
        """Takes who was seen in the next frame.

        Args:
            people: everybody seen, in any order.
            t: the frame's capture time in seconds; grows from call to call.
        Returns:
            Everybody in the picture, oldest id first.
        """
        self._tracks = [track for track in self._tracks if t - track.seen_at <= RESUME_S]
        forms = [Form.of(person) for person in people]
        self._forgotten = []
        assigned = self._assign(forms, t)
        self._tracks = [track for track in self._tracks if track not in self._forgotten]
        mistaken = not assigned and self._was_mistaken(forms)
        if mistaken:
            assigned = [(self._tracks[0].anew(forms[0], t), forms[0])]
            self._tracks = [assigned[0][0]]
        for track, form in assigned:
            if not track.present:
                track.present, track.since = True, t
            alone = not any(form.near(other) for other in forms if other is not form)
            track.follow(form, t, alone=alone)
            if len(self._tracks) > 1:
                track.measure(alone=alone)
        for track in self._tracks:
            track.present = track.present and t - track.seen_at <= _bridge_s(track)
        known = {id(form) for _, form in assigned}
        self._welcome([form for form in forms if id(form) not in known], t)
        self._moved = {self._tracks[0].person} if mistaken else set()
        self._tell_apart(t)
        self._before = t
        present = sorted((x for x in self._tracks if x.present), key=lambda x: x.person)
        return tuple(_observation(x, t, moved=x.person in self._moved) for x in present)

    def _was_mistaken(self, forms: list[Form]) -> bool:
        """Whether the only person seen must be the only one known, who is hardly known yet."""
        if len(forms) != 1 or len(self._tracks) != 1:
            return False
        (track,) = self._tracks
        return track.present and track.seen_at - track.since < WARMUP_S

    def _assign(self, forms: list[Form], t: float) -> list[tuple[Track, Form]]:
        """Who of the known is who of the seen, at the least cost; the doubtful are noted."""
        tracks, self._forms = self._tracks, forms
        if not tracks or not forms:
            return []
        costs = np.array([[self._cost(track, form, t) for form in forms] for track in tracks])
        if costs.size == 1:  # one person, all along
            return [(tracks[0], forms[0])] if costs[0, 0] < IMPOSSIBLE else []
        gaps = np.array([[track.gap_cost(t)] for track in tracks])
        dressed = any(form.seen.colours is not None for form in forms)
        weighed = np.where(costs < IMPOSSIBLE, costs, IMPOSSIBLE if dressed else LEFT_OUT) + gaps
        pairs = [
            (int(i), int(j))
            for i, j in zip(*linear_sum_assignment(weighed), strict=True)
            if costs[i, j] < IMPOSSIBLE
        ]
        return [
            (tracks[i], forms[j]) for i, j in pairs if not self._is_doubtful(i, j, pairs, costs, t)
        ]

    def _cost(self, track: Track, form: Form, t: float) -> float:
        """What speaks against it; IMPOSSIBLE when they can't be the same."""
        place, clothes = track.place_cost(form, t), track.clothes_distance(form)
        cost = place + CLOTHES_COST * clothes + track.size_cost(form, t)
        expected, away = place <= 1.0, self._was_away(track, t)
        limit = SAME_CLOTHES if away and not expected else OTHER_CLOTHES
        other_clothes = clothes > limit
        if track.could_be(form, t):
            return IMPOSSIBLE if other_clothes and (away or not expected) else cost
        others = any(other.present for other in self._tracks if other is not track)
        came_back = not track.present and not others and not other_clothes
        return cost if came_back else IMPOSSIBLE

    def _is_doubtful(
        self, i: int, j: int, pairs: list[tuple[int, int]], costs: Costs, t: float
    ) -> bool:
        """Notes who could be this one nearly as well; tells whether to take them for a new person.

        Who was followed all along has only those for rivals who are seen, too, or whose clothes
        these rather are. Who comes back has everybody who isn't seen; where this one wasn't
        expected, clothes must tell from those, too, who can hardly have got here. Where no clothes
        are seen, nothing will ever tell who of all these it was: they are forgotten.
        """
        track, form, taken = self._tracks[i], self._forms[j], dict(pairs)
        clothes = track.clothes_distance(form)
        comes_back = self._was_away(track, t)
        elsewhere = comes_back and track.place_cost(form, t) > 1.0
        rivals = []
        for k, other in enumerate(self._tracks):
            if k == i:
                continue
            if costs[k, j] >= IMPOSSIBLE:
                unseen = elsewhere and k not in taken
                is_rival = unseen and other.clothes_distance(form) < clothes + TELLING
            elif not comes_back and self._missed_s(other) > JUST_NOW_S:
                dressed_so = other.clothes_distance(form) + TELLING < clothes
                slid = dressed_so or _fits(other, form, better_than=track)
                is_rival = slid and other.person not in track.met
            else:
                now = costs[i, j] + (costs[k, taken[k]] if k in taken else 0.0)
                swapped = costs[k, j] + (costs[i, taken[k]] if k in taken else 0.0)
                likelier = comes_back and k not in taken and other.clothes_distance(form) < clothes
                is_rival = swapped - now < DOUBT or likelier
            if is_rival:
                rivals.append(k)
        if not comes_back:
            for k in rivals:
                track.meet(self._tracks[k], t)
            return False
        if rivals and form.seen.colours is None:
            self._forgotten += [self._tracks[k] for k in (i, *rivals) if k == i or k not in taken]
        return bool(rivals)

    def _missed_s(self, track: Track) -> float:
        """How long frames had come without them before this one, however rarely frames come."""
        return max(0.0, self._before - track.seen_at)

    def _was_away(self, track: Track, t: float) -> bool:
        return self._missed_s(track) > LONG_GAP_S or t - track.seen_at > NO_FRAME_S

    def _welcome(self, forms: list[Form], t: float) -> None:
        """New people, as far as there is room; who is out of sight makes room for who is seen."""
        room = self._limit - sum(track.present for track in self._tracks)
        hidden = [x for x in self._tracks if x.present and self._missed_s(x) > JUST_NOW_S]
        for track in sorted(hidden, key=lambda x: x.seen_at)[: max(len(forms) - room, 0)]:
            track.present = False
            room += 1
        for form in forms[: max(room, 0)]:
            self._tracks.append(Track(self._new_id(), t, t, form, form.seen.colours))

    def _new_id(self) -> int:
        self._ids_given += 1
        return self._ids_given

    def _tell_apart(self, t: float) -> None:
        """Settles who is who among those who met and are apart again."""
        by_id = {track.person: track for track in self._tracks}
        for track in tuple(self._tracks):
            if not track.met or track.apart_s < SETTLE_S or track.seen_at < t:
                continue
            others = [by_id[person] for person in track.met if person in by_id]
            waiting = [o for o in others if o.seen_at == t and o.apart_s < SETTLE_S]
            if waiting and track.apart_s < GIVE_UP_S:
                continue
            rather = min(others, key=lambda o: _likeness(track, o), default=None)
            told = 1.0 if rather is None else _told(track, rather, t)
            if told > 0:
                self._settle(track)
            elif rather is not None and told < 0:
                self._exchange(track, rather)
            elif track.apart_s >= GIVE_UP_S:
                self._retire([track, *others], t)

    def _settle(self, track: Track) -> None:
        """Nobody is mixed up with this one any more."""
        for other in self._tracks:
            other.met.discard(track.person)
            if not other.met:
                other.settle()
        track.settle()

    def _retire(self, mixed: list[Track], t: float) -> None:
        """Which of these is which can't be told: who is seen gets a new id, the others are gone."""
        for track in mixed:
            self._settle(track)
            if track.seen_at == t:
                track.person, track.since = self._new_id(), t
                track.clothes = track.form.seen.colours
            else:
                self._tracks.remove(track)

    def _exchange(self, one: Track, other: Track) -> None:
        """The two were taken for each other: ids, clothes and sizes go back to their owners."""
        one.person, other.person = other.person, one.person
        one.clothes, other.clothes = other.clothes, one.clothes
        one.size, other.size = other.size, one.size
        self._settle(one)
        self._settle(other)
        self._moved |= {one.person, other.person}


def _fits(other: Track, form: Form, better_than: Track) -> bool:
    """Whether these landmarks slid onto somebody who was out of sight, by size."""
    own, others = better_than.growth(form), other.growth(form)
    return own is not None and others is not None and own - others > TELLING_SIZE


def _likeness(track: Track, other: Track) -> tuple[float, float]:
    return track.looks_like(other), track.growth_to(other) or 0.0


def _told(track: Track, rather: Track, t: float) -> float:
    """Over 0: they are who they are taken for; under 0: the other one; 0: nothing tells."""
    own, other = track.looks_like(track), track.looks_like(rather)
    if track.fresh is not None and rather.clothes is not None:
        return other - own if abs(other - own) > TELLING else 0.0
    own_growth, other_growth = track.growth_to(track), track.growth_to(rather)
    if own_growth is None or other_growth is None:
        return 0.0
    least = TELLING_SIZE + TELLING_SIZE_PER_S * (t - track.met_at)
    return other_growth - own_growth if abs(other_growth - own_growth) > least else 0.0


def _bridge_s(track: Track) -> float:
    """How long somebody is taken to be there without being seen: after one sight not at all."""
    return BRIDGE_S if track.seen_at > track.since else 0.0


def _observation(track: Track, t: float, *, moved: bool) -> Observation:
    if track.seen_at < t:
        return Observation(track.person, PersonState.OCCLUDED, None, moved)
    keypoints = track.form.keypoints
    state = PersonState.OCCLUDED if _is_mostly_hidden(keypoints) else PersonState.TRACKED
    if t - track.since < WARMUP_S:
        state = PersonState.WARMUP
    return Observation(track.person, state, keypoints, moved)


def _is_mostly_hidden(keypoints: Keypoints) -> bool:
    width, height = keypoints.image_size
    places = keypoints.pixels[SEEN_LANDMARKS].tolist()
    sure = keypoints.confidence[SEEN_LANDMARKS].tolist()
    seen = sum(
        0 <= x <= width and 0 <= y <= height and confidence >= SEEN_CONFIDENCE
        for (x, y), confidence in zip(places, sure, strict=True)
    )
    return bool(seen < MIN_SEEN)
