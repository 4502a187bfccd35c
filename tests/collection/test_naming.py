"""Recognition of batches: landmarks that are named too often, and photos that cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from steeple.collection import Recognition
from steeple.collection.naming import flag_distractors, name_files
from steeple.embedding.vlad import SiftVlad
from steeple.images import thumbnail


def answers(*landmarks):
    return [
        (Path(f"{number}.jpg"), Recognition(landmark, 0.9))
        for number, landmark in enumerate(landmarks)
    ]


def test_a_landmark_named_more_often_than_allowed_is_flagged():
    flagged = flag_distractors(answers("mill", "gate", "mill", None, "mill", None, None, None), 2)
    assert [one.distractor for _, one in flagged] == [True, False, True, False, True, *[False] * 3]
    assert [one.landmark for _, one in flagged][:2] == ["mill", "gate"]
    assert {one.confidence for _, one in flagged} == {0.9}
    assert not any(one.distractor for _, one in flag_distractors(flagged, 3))
    assert flag_distractors([], 30) == []


def test_photos_are_named_in_order_and_the_unreadable_left_out(tmp_path):
    random = np.random.default_rng(0)
    photos = []
    for number in range(3):
        photos.append(tmp_path / f"{number}.jpg")
        photos[-1].write_bytes(thumbnail(random.integers(0, 255, (48, 64, 3), np.uint8), 64))
    photos.insert(1, tmp_path / "broken.jpg")
    photos[1].write_bytes(b"no photo")
    embedder = SiftVlad()
    embedder = embedder.fit([embedder.prepare(random.integers(0, 255, (90, 90, 3), np.uint8))])
    told = []

    def name(described):
        return [Recognition(str(place), 1.0) for place in range(len(described.descriptors))]

    named, failed = name_files(
        photos,
        name,
        embedder,
        None,
        workers=1,
        progress=lambda stage, done, total: told.append((stage, done, total)),
    )
    assert [path.name for path, _ in named] == ["0.jpg", "1.jpg", "2.jpg"]
    assert [one.landmark for _, one in named] == ["0", "2", "3"]
    assert [(path.name, "broken.jpg" in reason) for path, reason in failed] == [
        ("broken.jpg", True)
    ]
    assert told[-1] == ("queries", 4, 4)
