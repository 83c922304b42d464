"""Synthetic cameras before a synthetic walker: what is told of them, and what that is worth."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genmo_rt.camera_motion import rotation, rotation_vector
from genmo_rt.estimate import Estimator
from genmo_rt.evaluation.moving_camera import (
    CAMERAS,
    CameraPath,
    Known,
    Walk,
    _told,
    pan,
    score_path,
)
from tests.genmo_rt.walk import walker

TICKS = 75


@pytest.fixture(scope="module")
def walk() -> Walk:
    posed = [walker(i / 30) for i in range(TICKS)]
    rotmat = torch.from_numpy(np.stack([one.rotmat_world for one in posed])).float()
    pelvis = torch.from_numpy(np.stack([one.joints_world[0] for one in posed])).float()
    return Walk(rotmat, pelvis + torch.tensor([0.0, 0.0, 2.0]), torch.zeros(10))


def _camera(name: str, walk: Walk) -> CameraPath:
    return CAMERAS[name](walk.pelvis.double().numpy(), np.random.default_rng(3))


def _turned(camera: CameraPath, known: Known) -> NDArray[np.float64]:
    """What is told of a camera, added up: rotation to the first tick."""
    total = np.eye(3)
    for motion in _told(camera, known, np.random.default_rng(1)):
        total = total @ rotation(motion.turn)
    return total


@pytest.mark.parametrize("name", ["pan", "handheld shake"])
@pytest.mark.parametrize("known", ["sensor", "tracks"])
def test_sensors_and_tracks_tell_how_a_camera_turned(walk: Walk, name: str, known: Known) -> None:
    camera = _camera(name, walk)
    truth = camera.R_c2w[0].T @ camera.R_c2w[-1]
    apart = rotation_vector(truth.T @ _turned(camera, known))
    assert np.degrees(np.linalg.norm(apart)) < 0.8


def test_a_camera_on_a_stand_is_the_same_however_it_is_known(walk: Walk) -> None:
    told = [_told(_camera("still", walk), known, np.random.default_rng(0)) for known in KNOWN]
    assert all(not motion.turn.any() for motions in told for motion in motions)


KNOWN: tuple[Known, ...] = ("sensor", "tracks", "neither")


def test_a_pan_ruins_the_path_unless_it_is_told_of(walk: Walk) -> None:
    estimator = Estimator.load()
    camera = pan(walk.pelvis.double().numpy(), np.random.default_rng(3))
    told, untold = (score_path(estimator, walk, camera, known) for known in ("tracks", "neither"))
    assert told.path_cm < 0.6 * untold.path_cm
    assert told.pose_mm < 150


def test_a_whole_clip_knows_of_a_pan_too(walk: Walk) -> None:
    estimator = Estimator.load()
    camera = pan(walk.pelvis.double().numpy(), np.random.default_rng(3))
    told, untold = (
        score_path(estimator, walk, camera, known, whole=True) for known in ("tracks", "neither")
    )
    assert told.path_cm < 0.5 * untold.path_cm
    assert told.pose_mm < 150
