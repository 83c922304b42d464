"""Files that other tools read: npz (AMASS keys), bvh, glb."""
