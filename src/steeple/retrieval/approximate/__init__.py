"""Approximate neighbours: candidates from a FAISS index, scores from the descriptors."""
