"""From a folder of photos to a named answer: python folder_to_answer.py PHOTOS QUERY COLLECTION."""

import sys
from pathlib import Path

import steeple


def main(photos: Path, query: Path, folder: Path) -> None:
    """Builds a collection where there is none, and searches it."""
    if folder.exists():
        places = steeple.Collection.open(folder)
    else:
        places, report = steeple.Collection.build(photos, folder)
        print(f"{report.added} photos, {len(report.failed)} left out")
    with places:
        hits = places.search(query, k=5)
        print(hits.landmark or "no known landmark", f"{hits.confidence:.2f}")
        for hit in hits:
            print(f"{hit.score:6.3f}  {hit.origin:9}  {hit.landmark or '?'}  {hit.id}")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
