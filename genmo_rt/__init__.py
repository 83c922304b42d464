"""Real-time motion estimation: keypoints and conditions in, SMPL poses out."""
