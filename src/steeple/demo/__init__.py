"""The toy city: rendered landmarks, a seed in, photos and labels out.

Nothing is downloaded and nothing is a photograph of anything: facades are painted, towers turned
on a lathe, the weather drawn by lot. What comes out behaves like a small landmark data set: many
views of each place, interiors that look nothing like the front, bystanders, other people's streets.

    >>> from pathlib import Path
    >>> from steeple.demo import build_city
    >>> city = build_city(Path("city"), photos=600)  # doctest: +SKIP
"""

from steeple.demo.city import City, build_city
from steeple.demo.tour import Tour, take_tour

__all__ = ["City", "Tour", "build_city", "take_tour"]
