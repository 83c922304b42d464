"""Writes and reads clips as .npz with AMASS's keys."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from genmo_rt.errors import FileFormatError, InputError
from genmo_rt.formats.clip import CameraView, Clip
from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.skeleton import NUM_JOINTS, PARENTS
from genmo_rt.smpl import load_body

EXPECTED = "expected an .npz with AMASS's keys, as genmo-rt writes it"

_KEYS = (
    *("poses", "trans", "betas", "gender", "mocap_framerate", "up_axis"),
    *("body", "shape", "pelvis_rest", "joints", "contacts", "confidence", "t_capture_us"),
)
_CAMERA_KEYS = ("joints_cam", "poses_cam", "trans_cam", "K")


def write_npz(path: Path, clip: Clip) -> None:
    """Writes a clip.

    `trans` is SMPL's translation parameter: pelvis minus `pelvis_rest`. `betas` are SMPL's and
    zero for the built-in body, whose coefficients are `shape`.
    """
    pelvis_rest = clip.rest_joints[0]
    arrays: dict[str, Any] = {
        "poses": clip.axis_angle.reshape(-1, 3 * NUM_JOINTS),
        "trans": clip.pelvis - pelvis_rest,
        "betas": clip.shape if clip.body == "smpl" else np.zeros(10),
        "gender": "neutral",
        "mocap_framerate": clip.fps,
        "up_axis": "y",
        "body": clip.body,
        "shape": clip.shape,
        "pelvis_rest": pelvis_rest,
        "joints": clip.joints,
        "contacts": clip.contacts,
        "confidence": clip.confidence,
        "t_capture_us": clip.t_capture_us,
    }
    if clip.camera is not None:
        poses_cam = clip.axis_angle.copy()
        poses_cam[:, 0] = clip.camera.root_axis_angle
        arrays |= {
            "joints_cam": clip.camera.joints,
            "poses_cam": poses_cam.reshape(-1, 3 * NUM_JOINTS),
            "trans_cam": clip.camera.joints[:, 0] - pelvis_rest,
            "K": clip.camera.K,
        }
    with path.open("wb") as file:  # np.savez would add .npz to another name
        np.savez_compressed(file, **arrays)


def read_npz(path: Path) -> Clip:
    """Reads a clip that write_npz wrote.

    Raises:
        FileFormatError: the file can't be read, or a key is missing or has another shape.
    """
    try:
        # Opened here: np.load leaves a broken archive open.
        with path.open("rb") as stream:
            if not zipfile.is_zipfile(stream):  # numpy would advise to unpickle it
                raise ValueError("it is no zip archive")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as file:
                arrays = {key: file[key] for key in (*_KEYS, *_CAMERA_KEYS) if key in file.files}
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise FileFormatError(f"{path} can't be read ({error}); {EXPECTED}") from error
    missing = [key for key in _KEYS if key not in arrays]
    if missing:
        raise FileFormatError(f"{path} has no {', '.join(missing)}; {EXPECTED}")
    try:
        return _clip(arrays)
    except (InputError, ValueError) as error:
        raise FileFormatError(f"{path} doesn't fit together: {error}; {EXPECTED}") from error


def _clip(arrays: dict[str, NDArray[Any]]) -> Clip:
    body = str(arrays["body"])
    if body not in ("builtin", "smpl"):
        raise InputError(f"body is {body!r}, not 'builtin' or 'smpl'")
    if str(arrays["up_axis"]) != "y":
        raise InputError(f"up_axis is {str(arrays['up_axis'])!r}, not 'y'")
    axis_angle = arrays["poses"].reshape(-1, NUM_JOINTS, 3)
    camera = None
    if all(key in arrays for key in _CAMERA_KEYS):
        camera = CameraView(
            K=arrays["K"],
            root_axis_angle=arrays["poses_cam"].reshape(-1, NUM_JOINTS, 3)[:, 0],
            joints=arrays["joints_cam"],
        )
    return Clip(
        fps=float(arrays["mocap_framerate"]),
        body="smpl" if body == "smpl" else "builtin",
        shape=arrays["shape"],
        rest_joints=_rest_joints(arrays, axis_angle),
        axis_angle=axis_angle,
        pelvis=arrays["trans"] + arrays["pelvis_rest"],
        joints=arrays["joints"],
        contacts=arrays["contacts"],
        confidence=arrays["confidence"],
        t_capture_us=arrays["t_capture_us"],
        camera=camera,
    )


def _rest_joints(
    arrays: dict[str, NDArray[Any]], axis_angle: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(24, 3): the built-in body's; of another body, whose file isn't at hand, what poses show."""
    builtin = load_body()
    if str(arrays["body"]) == "builtin":
        return np.asarray(builtin.rest_joints(torch.as_tensor(arrays["shape"])))
    rotmat = axis_angle_to_rotmat(torch.as_tensor(axis_angle))
    joints = torch.as_tensor(arrays["joints"])
    global_rotmat, _ = builtin.forward_kinematics(rotmat, joints[:, 0], joints)
    rest = [arrays["pelvis_rest"]]
    for joint in range(1, NUM_JOINTS):
        parent = PARENTS[joint]
        reach = joints[:, joint] - joints[:, parent]
        bone = (global_rotmat[:, parent].mT @ reach[..., None]).squeeze(-1).mean(0)
        rest.append(rest[parent] + np.asarray(bone))
    return np.array(rest)
