"""Draws the picture that a server measures its 2D stage with: the built-in body in a made-up room.

    scripts/draw_somebody.py stream/genmo_stream/models/somebody.jpg

Nobody's face, and as free as the body is (CC0).
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from render_people import draw, draw_look, draw_scene, fine_mesh

from genmo_rt.rotation import axis_angle_to_rotmat
from genmo_rt.skeleton import JOINT_NAMES
from genmo_rt.smpl import load_body

SIZE = (640, 480)
FOCAL_PX = 640.0
PELVIS_CAM = (0.1, 0.1, 3.2)  # metres: x right, y down, z forward
ARMS_DOWN = {"left_shoulder": -1.15, "right_shoulder": 1.15}  # radians about the body's z
SEED = 5
QUALITY = 80


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    out: Path = parser.parse_args().out
    body = load_body()
    turns = torch.zeros(24, 3)
    turns[0, 0] = torch.pi  # from y up to the camera's y down; the body faces the camera
    for joint, radians in ARMS_DOWN.items():
        turns[JOINT_NAMES.index(joint), 2] = radians
    vertices = body.skin(axis_angle_to_rotmat(turns), torch.tensor(PELVIS_CAM), torch.zeros(10))
    random = np.random.default_rng(SEED)
    mesh = fine_mesh(body)
    look = draw_look(mesh, body, random)
    scene = draw_scene(SIZE, np.array([0, -1, 0], np.float32), random)
    camera = np.array([FOCAL_PX, FOCAL_PX, SIZE[0] / 2, SIZE[1] / 2], np.float32)
    picture = draw(mesh, look, scene, vertices.numpy()[None], camera, random)
    cv2.imwrite(str(out), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


if __name__ == "__main__":
    main()
