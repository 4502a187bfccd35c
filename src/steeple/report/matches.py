"""From an explanation to what a page shows of it."""

from __future__ import annotations

from steeple.collection.explaining import Explanation
from steeple.errors import InputError
from steeple.images import thumbnail
from steeple.report.model import Why

__all__ = ["show_matches"]


def show_matches(explanation: Explanation, *, side: int) -> Why:
    """Draws what an explanation says, small enough for a page.

    Args:
        explanation: Why a hit was found.
        side: Width of the picture in pixels at most.

    Returns:
        Its sentences and its picture; where a photo can no longer be read, that is said instead.
    """
    rest = tuple(said for said in explanation.sentences() if said != explanation.geometry)
    try:
        picture = explanation.picture(side=side)
    except InputError as error:  # a photo that is gone, or a query without one
        return Why(explanation.geometry, (*rest, f"No picture: {error}."), None, (0, 0), "")
    height, width = picture.shape[:2]
    return Why(
        explanation.geometry, rest, thumbnail(picture, side), (width, height), _alt(explanation)
    )


def _alt(explanation: Explanation) -> str:
    if not explanation.inliers:
        return f"The query and {explanation.id}, without lines"
    number = explanation.inliers
    details = "detail that matches" if number == 1 else "details that match"
    return f"The query and {explanation.id}, with lines between {number} {details}"
