"""The built-in body: mesh, skinning weights and shape space, CC0."""
