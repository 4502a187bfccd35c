"""Descriptors, ids and labels in files of every format."""
