"""Windows of a picture: the mapping back is exact, and the search leaves nobody out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from genmo_stream.keypoints.crops import CROP_SIZE, Window, cut, search_windows, whole

DOT = 24  # pixels


def picture_with_dot(width: int, height: int, x: int, y: int) -> NDArray[np.uint8]:
    image = np.zeros((height, width, 3), np.uint8)
    image[y : y + DOT, x : x + DOT] = 255
    return image


@pytest.mark.parametrize(
    "window",
    [
        Window(0, 0, 640),
        Window(37.3, 21.8, 250.5),
        Window(-200.2, -100.7, 900),
        Window(150, 120, 96.4),
        whole(640, 480),
    ],
    ids=["top left", "fractions", "beyond the picture", "enlarged", "whole"],
)
def test_point_in_crop_maps_back_to_its_place_in_the_picture(window: Window) -> None:
    crop = cut(picture_with_dot(640, 480, 170, 140), window)
    weight = crop.image[:, :, 0] / 255.0
    rows, columns = np.indices(weight.shape) + 0.5
    centre = np.array([[(weight * columns).sum(), (weight * rows).sum()]]) / weight.sum()
    back = crop.to_picture(centre / CROP_SIZE)
    np.testing.assert_allclose(back[0], [170 + DOT / 2, 140 + DOT / 2], atol=0.6)


def test_big_picture_maps_back_as_exactly_as_a_small_one() -> None:
    crop = cut(picture_with_dot(4000, 2250, 3001, 1777), Window(1800.5, -40.25, 2300))
    weight = crop.image[:, :, 0] / 255.0
    rows, columns = np.indices(weight.shape) + 0.5
    centre = np.array([[(weight * columns).sum(), (weight * rows).sum()]]) / weight.sum()
    back = crop.to_picture(centre / CROP_SIZE)
    # one crop pixel is four of the picture's here
    np.testing.assert_allclose(back[0], [3001 + DOT / 2, 1777 + DOT / 2], atol=2)


def test_window_beside_the_picture_is_black() -> None:
    crop = cut(np.full((48, 64, 3), 255, np.uint8), Window(100, 100, 50))
    assert not crop.image.any()
    np.testing.assert_allclose(crop.to_picture(np.array([[0.5, 0.5]])), [[125, 125]])


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    x=st.floats(-400, 400),
    y=st.floats(-400, 400),
    side=st.floats(1, 900),
)
def test_any_window_of_any_picture_can_be_cut(
    width: int, height: int, x: float, y: float, side: float
) -> None:
    crop = cut(np.zeros((height, width, 3), np.uint8), Window(x, y, side))
    assert crop.image.shape == (CROP_SIZE, CROP_SIZE, 3)
    corners = crop.to_picture(np.array([[0.0, 0.0], [1.0, 1.0]]))
    assert np.isfinite(corners).all()


@pytest.mark.parametrize(("width", "height"), [(640, 480), (1280, 720), (1080, 1920), (4000, 500)])
def test_search_shows_people_of_any_place_and_size_large_enough(width: int, height: int) -> None:
    windows = search_windows(width, height)
    rng = np.random.default_rng(1)
    for _ in range(300):
        size = rng.uniform(0.1, 0.45) * max(width, height)  # the longer edge of a person's box
        if size > height:
            continue
        x, y = rng.uniform(0, width - 0.4 * size), rng.uniform(0, height - size)
        fits = [
            w
            for w in windows
            if size <= 0.9 * w.side
            and size >= 0.28 * w.side
            and x >= w.x - 1
            and x + 0.4 * size <= w.x + w.side + 1
            and y >= w.y - 1
            and y + size <= w.y + w.side + 1
        ]
        assert fits, f"nothing shows a person of {size:.0f} px at {x:.0f}, {y:.0f}"


def test_search_takes_at_most_two_seconds_of_frames() -> None:
    assert len(search_windows(1280, 720)) <= 3 * 60
    assert len(search_windows(480, 640)) <= 3 * 60
