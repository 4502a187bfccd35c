"""One geometry for upright photos, from every match in turn: nothing is drawn at random.

People hold cameras upright, so one match, two points and the ratio of their scales, says how one
image has to be moved and scaled to lie on the other. Every match makes its proposal, the others are
asked whether they agree (Philbin et al., "Object retrieval with large vocabularies and fast spatial
matching", CVPR 2007, section 4), and an affine fit to those that do lets in what the two points of
view see differently.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steeple.geometry.estimation import Agreement, Doubles, Keypoints

__all__ = ["Upright"]

_OCTAVE = 0.7  # |ln| of the ratio of scales up to which a match agrees: a factor of two
_SHEAR = 4.0  # largest condition number of a fit that two views of one place need
_FITS = 3


@dataclass(frozen=True)
class Upright:
    """Moves and scales one image onto the other, then shears it a little.

    Args:
        tolerance: pixels at the geometric mean of both scales. Facades have depth, so it is wide;
            `steeple.geometry.verification.surprise` accounts for what falls in by chance.
    """

    tolerance: float = 24.0

    @property
    def chance(self) -> float:
        """That an arbitrary match agrees: within the tolerance, and of about the right scale."""
        return 0.4 * np.pi * self.tolerance**2 / (640 * 480)

    def __call__(self, a: Keypoints, b: Keypoints) -> Agreement:
        """Finds the geometry that most matches agree on; at a tie the first match's.

        Args:
            a: (n, 3) float32, keypoints of the first image: x, y, scale.
            b: (n, 3) float32, the keypoints they match in the second image.
        """
        if not len(a):
            return Agreement.none(0)
        scales = b[:, 2] / a[:, 2]
        moves = b[:, :2] - scales[:, None] * a[:, :2]
        # (hypothesis, match)
        off = scales[:, None] * a[:, 0] + moves[:, [0]] - b[:, 0]
        distances = off * off
        off = scales[:, None] * a[:, 1] + moves[:, [1]] - b[:, 1]
        distances += off * off
        logs = np.log(scales)
        agree = distances < (self.tolerance**2 * scales)[:, None]
        agree &= np.abs(logs[:, None] - logs) < _OCTAVE
        best = int(agree.sum(axis=1).argmax())
        start = np.array(
            [[scales[best], 0, moves[best, 0]], [0, scales[best], moves[best, 1]]], dtype=np.float64
        )
        return self._refine(Agreement(agree[best], start), a, b, logs)

    def _refine(
        self, found: Agreement, a: Keypoints, b: Keypoints, logs: npt.NDArray[np.float32]
    ) -> Agreement:
        """Affine fits to what agrees, for as long as more agree and none is lost."""
        for _ in range(_FITS):
            transform = _affine_fit(a[found.inliers, :2], b[found.inliers, :2])
            if transform is None:
                return found
            area = abs(float(np.linalg.det(transform[:, :2])))
            off = a[:, :2] @ transform[:, :2].T + transform[:, 2] - b[:, :2]
            agree = (off**2).sum(axis=1) < self.tolerance**2 * np.sqrt(area)
            agree &= np.abs(logs - 0.5 * np.log(area)) < _OCTAVE
            gained = int(agree.sum()) - int(found.inliers.sum())
            if gained < 0:
                return found
            found = Agreement(agree, transform)
            if not gained:
                return found
        return found


def _affine_fit(a: Keypoints, b: Keypoints) -> Doubles | None:
    """The least-squares affine map, (2, 3); None where points on a line or a point leave it open.

    Also None for a mirror image, and for more shear than two views of a place have.
    """
    if len(a) < 3:
        return None
    points = np.concatenate([a, np.ones((len(a), 1))], axis=1).astype(np.float64)
    solved, _, rank, _ = np.linalg.lstsq(points, b.astype(np.float64), rcond=1e-6)
    if rank < 3:
        return None
    transform = np.asarray(solved.T, dtype=np.float64)
    if np.linalg.det(transform[:, :2]) <= 0 or np.linalg.cond(transform[:, :2]) > _SHEAR:
        return None
    return transform
