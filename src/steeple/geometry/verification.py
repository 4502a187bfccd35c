"""Whether the local features of two images fit together: matches, one geometry, inliers.

The count of inliers means less the more matches there were to choose from. How surprising it would
be if matches fell anywhere is the better measure, in nats, after the a contrario method (Moisan and
Stival, "A probabilistic criterion to detect rigid point matches between two images and estimate the
fundamental matrix", IJCV 2004):

    surprise = i ln(i / e) - i + e - ln n    for i > e = n p, and never below 0

with i inliers of n matches, and p the chance that an arbitrary match is an inlier. It is the
Chernoff bound of the binomial tail, less the n hypotheses that were tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from steeple.errors import InputError
from steeple.geometry.consensus import Consensus
from steeple.geometry.estimation import Doubles, Estimator
from steeple.geometry.features import Descriptors, Features
from steeple.geometry.matching import Matcher, Pairs
from steeple.geometry.published import NearestWithin
from steeple.geometry.upright import Upright

__all__ = ["VERIFIERS", "Verification", "Verifier", "create_verifier", "inliers", "surprise"]


@dataclass(frozen=True)
class Verification:
    """How the local features of two images, a and b, fit together.

    Args:
        inliers: how many matches agree on one geometry.
        transform: (2, 3) affine or (3, 3) homography, pixels of a to pixels of b; None if nothing
            agrees.
        matches: (inliers, 2) int32, the positions of these matches among the features of a and b.
        surprise: in nats, 0 or more: how unlikely so many inliers are by chance; see the module.
    """

    inliers: int
    transform: Doubles | None
    matches: Pairs = field(repr=False)
    surprise: float


@dataclass(frozen=True)
class Verifier:
    """Matches the features of two images, then looks for the geometry that most matches share.

    Args:
        matcher: which features look alike.
        estimator: which geometry they agree on.
    """

    matcher: Callable[[Features, Features], Pairs] = field(default_factory=Matcher)
    estimator: Estimator = field(default_factory=Upright)

    def __call__(self, a: Features, b: Features) -> Verification:
        """Verifies a pair of images. The same features give the same answer.

        Raises:
            InputError: if the features are of different kinds.
        """
        _same_kind(a.descriptors, b.descriptors)
        pairs = self.matcher(a, b)
        found = self.estimator(a.keypoints[pairs[:, 0]], b.keypoints[pairs[:, 1]])
        agreed = int(found.inliers.sum())
        return Verification(
            agreed,
            found.transform,
            pairs[found.inliers],
            surprise(agreed, len(pairs), self.estimator.chance),
        )


def _same_kind(a: Descriptors, b: Descriptors) -> None:
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"local features of {a.shape[1]} and {b.shape[1]} dimensions cannot be compared; "
            "describe both photos by the same kind"
        )
    if {a.dtype.char, b.dtype.char} == {"b", "B"}:
        raise InputError(
            "SIFT (uint8) and learned local features (int8) cannot be compared; "
            "describe both photos by the same kind"
        )


def surprise(inliers: int, matches: int, chance: float) -> float:
    """How unlikely so many inliers are by chance, in nats; 0 for what chance explains.

    Args:
        inliers: i.
        matches: n.
        chance: p, that an arbitrary match is an inlier.
    """
    expected = matches * chance
    if inliers <= expected or not inliers:
        return 0.0
    bound = inliers * math.log(inliers / expected) - inliers + expected
    return max(0.0, bound - math.log(matches))


VERIFIERS: dict[str, Callable[[], Verifier]] = {
    "upright": Verifier,
    "affine": lambda: Verifier(Matcher(0.9), Consensus("affine")),
    "homography": lambda: Verifier(Matcher(0.9), Consensus("homography")),
    "published": lambda: Verifier(
        NearestWithin(0.8), Consensus("affine", tolerance=20.0, magsac=False)
    ),
}
"""Every way to verify, by name."""


def create_verifier(name: str) -> Verifier:
    """The verifier of a name.

    Raises:
        InputError: if none has this name.
    """
    if name not in VERIFIERS:
        raise InputError(f"no verifier is called {name!r}; there are: {', '.join(VERIFIERS)}")
    return VERIFIERS[name]()


def inliers(a: Features, b: Features, *, method: str = "upright") -> Verification:
    """Verifies a pair of images by their local features.

    Args:
        a: of the first image.
        b: of the second image.
        method: ``upright`` (exhaustive, for photos taken upright), ``affine`` or ``homography``
            (MAGSAC++, for photos at any angle), ``published`` (the paper's form).

    Raises:
        InputError: if the features are damaged or of different kinds, or no method has this name.
    """
    a.check()
    b.check()
    return create_verifier(method)(a, b)
