"""The landmarks: sixteen kinds of buildings, and their names."""
