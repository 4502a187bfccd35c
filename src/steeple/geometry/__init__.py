"""Local features of images, and whether those of two images fit together."""

from steeple.geometry.base import EXTRACTORS, Extractor, create_extractor
from steeple.geometry.batch import FeatureSource, Verified, verify_pairs
from steeple.geometry.features import Features
from steeple.geometry.verification import VERIFIERS, Verification, Verifier, inliers

__all__ = [
    "EXTRACTORS",
    "VERIFIERS",
    "Extractor",
    "FeatureSource",
    "Features",
    "Verification",
    "Verified",
    "Verifier",
    "create_extractor",
    "inliers",
    "verify_pairs",
]
