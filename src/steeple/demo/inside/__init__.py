"""Interiors, which share nothing visible with the outside."""
