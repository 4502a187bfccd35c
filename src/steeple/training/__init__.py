"""Training: photos and landmarks in, a network that tells them apart out.

Needs the extra ``torch``.
"""
