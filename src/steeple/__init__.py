"""steeple finds and names landmarks in photo collections of any size."""

__version__ = "0.1.0"
