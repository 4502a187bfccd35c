"""A small renderer: camera, meshes, textures, a depth buffer, the lens."""
