"""Descriptors with the statistics of Google Landmarks v2, for benchmarks at its size.

Nothing here looks at photos. Landmarks are drawn with a popularity, each has four views, and images
scatter around a view; the numbers come from what is published about the data set, or are assumed,
and `Model` says of each which. They are fixed; only the noise level was fitted, to one figure: the
published mAP@100 of plain search.

`make` writes .npy files block by block, so that memory stays small at any size. Rows are drawn in
blocks of a fixed size, each with a random stream of its own.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["NOBODY", "SCORED", "Landmarks", "Model", "describe", "make"]

INDEX, TRAINING, SCORED, PUBLIC = 761_757, 1_580_470, 1_129, 379
LANDMARKS_INDEX, LANDMARKS_TRAINING, LANDMARKS_CLEAN, LANDMARKS_BOTH = (
    101_302,
    203_094,
    81_313,
    92_000,
)
NOBODY = -1
"""The landmark of an image that shows none."""

_ROWS = 4096  # rows that share a random stream
_VERSION = 1  # to be raised with every change of what is drawn

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Model:
    """Where descriptors lie. A vector below is a random direction of `dimension` numbers.

        view    = sqrt(common) landmark + sqrt(scene) type + sqrt(1 - common - scene) own
        image   = normalise(view + noise * exp(difficulty * g) * direction),  g normal

    An image without landmark is the only photo of something unlisted: a view with no common part.

    Published (Weyand et al., "Google Landmarks Dataset v2", CVPR 2020, and its page): 761,757
    images of 101,302 landmarks in the index; 4,132,914 of 203,094 in training, 92,000 of these in
    the index, too (the paper's "92k common labels", quoted from memory); cleaned 1,580,470 of
    81,313; 1,129 queries that show a landmark, 379 public; 38 % of landmarks have at most 5
    training images and 57 % at most 10.

    Args:
        dimension: 512, the paper's.
        evenness: standard deviation of the logarithm of popularity. A log-normal law through the
            two published shares has 1.34 and a mean of 20.4 images; the published mean is 20.35.
            (The largest landmarks are smaller than the real ones, thousands of images.)
        kinship: correlation of a landmark's (log) popularity in the index and in training. Assumed:
            both are drawn from one source, at different times and by different rules. Cleaning
            keeps the most photographed landmarks, because an image stays only if three others
            verify it. From this and the 92,000 follows which queries have training images: two in
            three.
        unlisted: share of the index that shows no landmark. Assumed; every image is labelled, but
            of the training images, from the same source, cleaning drops three in five.
        wrong: share of training labels that name another landmark. Assumed: what cleaning by three
            verified neighbours leaves.
        shares: of the views outside, inside, detail, night. Assumed.
        common: what the views of a landmark share. Assumed: almost nothing, as the paper argues.
        scene: what unrelated views of one type share (naves, bridges, facades at night). Assumed.
        types: how many types there are, at full size. Assumed: some sixty views each.
        spectrum: the i-th direction has variance i^-spectrum. Assumed: 0.75 makes 512 dimensions
            as wide as a hundred equal ones, so the similarities of unrelated images spread by 0.1.
            One number cannot also give every neighbourhood the shape of real ones: the local
            intrinsic dimension (maximum likelihood, 100 neighbours) is 39 here, while 16 and 19 are
            published for 512-dimensional networks (Gong et al., "On the intrinsic dimensionality of
            image representations", CVPR 2019). So approximate search is harder here than on photos.
            Spectrum 1.25 with noise 0.55 has 19, but unrelated images then differ by 0.3.
        difficulty: how unevenly noise falls on images (standard deviation of its logarithm).
            Assumed: most photos are ordinary, one in six has 1.6 times the noise or more.
        noise: length of the noise where a view has length 1. Fitted, once: at full size plain
            search scored 23.8 at 1.25 and 30.5 at 1.05; the line through both meets the published
            29.4 (27.81 on the public queries, 30.22 on the private) at 1.08, which scores 29.3
            (28.1 and 29.9).
    """

    dimension: int = 512
    evenness: float = 1.34
    kinship: float = 0.8
    unlisted: float = 0.2
    wrong: float = 0.05
    shares: tuple[float, ...] = (0.6, 0.2, 0.1, 0.1)
    common: float = 0.1
    scene: float = 0.3
    types: int = 10_000
    spectrum: float = 0.75
    difficulty: float = 0.5
    noise: float = 1.08


@dataclass(frozen=True)
class Landmarks:
    """A data set in a folder; arrays are mapped when they are asked for.

    Args:
        folder: where it lies.
    """

    folder: Path

    @property
    def index(self) -> Floats:
        """(N, D) float32."""
        return self._map("index")

    @property
    def training(self) -> Floats:
        """(T, D) float32."""
        return self._map("training")

    @property
    def queries(self) -> Floats:
        """(Q, D) float32: those that show a landmark of the index first."""
        return self._map("queries")

    @property
    def index_labels(self) -> Ids:
        """(N,) int64, the landmark each index image shows; -1 for none. No method may see it."""
        return self._load("index_labels")

    @property
    def training_labels(self) -> Ids:
        """(T,) int64, as given: some are wrong."""
        return self._load("training_labels")

    @property
    def query_labels(self) -> Ids:
        """(Q,) int64, the landmark each query shows; -1 for none. No method may see it."""
        return self._load("queries_labels")

    @property
    def public(self) -> npt.NDArray[np.bool_]:
        """(Q,) bool, which of the scored queries are public; the others are private."""
        scored = self.query_labels != NOBODY
        first: npt.NDArray[np.bool_] = np.cumsum(scored) <= scored.sum() * PUBLIC / SCORED
        return np.where(scored, first, False)

    def _map(self, name: str) -> Floats:
        out: Floats = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        return out

    def _load(self, name: str) -> Ids:
        out: Ids = np.load(self.folder / f"{name}.npy")
        return out


@dataclass(frozen=True)
class _Part:
    """The images of one of the three sets: what each shows, not yet how."""

    name: str
    landmarks: Ids
    views: npt.NDArray[np.int8]


def make(
    folder: str | Path,
    *,
    scale: float = 1.0,
    queries: int = SCORED,
    seed: int = 0,
    model: Model | None = None,
    training: bool = True,
) -> Landmarks:
    """Writes a data set, unless the folder holds it already.

    Args:
        folder: where it goes: 2.1 kB an image, 4.8 GB at full size.
        scale: of index, training set, landmarks and scene types; landmarks keep their sizes.
        queries: how many; the first 1,129 show a landmark of the index, the others none.
        seed: of everything.
        model: where descriptors lie.
        training: whether to write the training descriptors, too.
    """
    folder, model = Path(folder), model or Model()
    wish = {**describe(scale, queries, seed, model), "training": training}
    marker = folder / "landmarks.json"
    if marker.exists() and json.loads(marker.read_text()) == wish:
        return Landmarks(folder)
    folder.mkdir(parents=True, exist_ok=True)
    marker.unlink(missing_ok=True)

    parts = _draw_parts(_stream(seed, 0), scale, queries, model)
    space = _Space(seed, scale, model)
    centres = folder / "centres.npy"
    space.write_centres(centres, 1 + max(int(part.landmarks.max(initial=0)) for part in parts))
    for number, part in enumerate(parts):
        labels = part.landmarks
        if part.name == "training":
            labels = _mislabel(_stream(seed, 1), labels, model.wrong)
        np.save(folder / f"{part.name}_labels.npy", labels)
        if training or part.name != "training":
            space.write(folder / f"{part.name}.npy", part, centres, number)
    centres.unlink()
    marker.write_text(json.dumps(wish, indent=2) + "\n")
    return Landmarks(folder)


def describe(scale: float, queries: int, seed: int, model: Model | None = None) -> dict[str, Any]:
    """Everything that a data set depends on, as JSON knows it."""
    drawn = {"version": _VERSION, "scale": scale, "queries": queries, "seed": seed}
    described: dict[str, Any] = json.loads(json.dumps(drawn | asdict(model or Model())))
    return described


def _stream(seed: int, *place: int) -> np.random.Generator:
    """A random stream of its own for each place."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=place))


def _draw_parts(
    random: np.random.Generator, scale: float, queries: int, model: Model
) -> list[_Part]:
    """Index, training set and queries, each in random order."""
    in_index, in_training, clean, both = (
        max(4, round(count * scale))
        for count in (LANDMARKS_INDEX, LANDMARKS_TRAINING, LANDMARKS_CLEAN, LANDMARKS_BOTH)
    )
    # Landmarks 0..in_index-1 are in the index; the last `both` of these, and what follows, in
    # training.
    first = in_index - both
    popularity = random.standard_normal(first + in_training)
    own = random.standard_normal(first + in_training)
    known = model.kinship * popularity + np.sqrt(1 - model.kinship**2) * own
    known[:first] = -np.inf
    cleaned = np.sort(np.argsort(-known, kind="stable")[:clean])
    relative = np.exp(model.evenness * (known[cleaned] - known[cleaned].min())) - 1
    sizes_training = _apportion(relative, max(2 * clean, round(TRAINING * scale)), 2)

    images = max(in_index, round(INDEX * scale))
    unlisted = min(images - in_index, round(images * model.unlisted))
    relative = np.exp(model.evenness * popularity[:in_index])
    sizes_index = _apportion(relative, images - unlisted, 1)

    shown = np.repeat(np.arange(in_index), sizes_index)
    scored = random.choice(shown, min(queries, SCORED))  # as often asked for as photographed
    nothing = np.full(max(0, queries - SCORED), NOBODY)
    index = random.permutation(np.concatenate([shown, np.full(unlisted, NOBODY)]))
    training = random.permutation(np.repeat(cleaned, sizes_training))
    names = ("index", "training", "queries")
    parts = []
    for name, labels in zip(
        names, (index, training, np.concatenate([scored, nothing])), strict=True
    ):
        views = random.choice(len(model.shares), len(labels), p=model.shares).astype(np.int8)
        parts.append(_Part(name, labels.astype(np.int64), views))
    return parts


def _apportion(weights: npt.NDArray[np.float64], total: int, least: int) -> Ids:
    """Splits a total by weights: everyone gets the least, whole numbers, exactly the total."""
    ideal = least + (total - least * len(weights)) * weights / weights.sum()
    sizes: Ids = np.floor(ideal).astype(np.int64)
    rest = np.argsort(sizes - ideal, kind="stable")[: total - int(sizes.sum())]
    sizes[rest] += 1
    return sizes


def _mislabel(random: np.random.Generator, labels: Ids, share: float) -> Ids:
    """Gives some images the label of another one."""
    out = labels.copy()
    wrong = np.flatnonzero(random.random(len(labels)) < share)
    out[wrong] = random.choice(labels, len(wrong))
    return out


class _Space:
    """Draws vectors."""

    def __init__(self, seed: int, scale: float, model: Model) -> None:
        self.seed, self.model = seed, model
        deviations = np.arange(1, model.dimension + 1) ** (-model.spectrum / 2)
        self.deviations = (deviations / np.linalg.norm(deviations)).astype(np.float32)
        # Without a rotation the first coordinates would hold most of it, as no descriptor's do.
        square = _stream(seed, 2).standard_normal((model.dimension, model.dimension))
        self.rotation = np.linalg.qr(square)[0].astype(np.float32)
        kinds = len(model.shares)
        self.per_kind = max(2, round(model.types * scale) // kinds)
        self.types = self.directions(_stream(seed, 3), (kinds, self.per_kind))

    def directions(self, random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """Random vectors of length 1 on average, shape + (D,), before the rotation."""
        size = (*shape, self.model.dimension)
        return random.standard_normal(size, dtype=np.float32) * self.deviations

    def write_centres(self, path: Path, landmarks: int) -> None:
        """Writes the views of all landmarks, (landmarks, views, D) float32."""
        model, kinds = self.model, len(self.model.shares)
        own = np.sqrt(1 - model.common - model.scene)
        out = _create(path, (landmarks, kinds, model.dimension))
        for start in range(0, landmarks, _ROWS):
            random = _stream(self.seed, 4, start // _ROWS)
            n = min(_ROWS, landmarks - start)
            block = self.directions(random, (n, kinds)) * np.float32(own)
            block += np.float32(np.sqrt(model.common)) * self.directions(random, (n, 1))
            chosen = random.integers(self.per_kind, size=(n, kinds))
            block += np.float32(np.sqrt(model.scene)) * self.types[np.arange(kinds), chosen]
            out[start : start + n] = block
        out.flush()

    def write(self, path: Path, part: _Part, centres: Path, number: int) -> None:
        """Writes the descriptors of a part, (n, D) float32, rows of length 1."""
        model = self.model
        views: Floats = np.load(centres, mmap_mode="r")
        out = _create(path, (len(part.landmarks), model.dimension))
        for start in range(0, len(out), _ROWS):
            # A block is drawn whole, so that the first rows are the same however many follow.
            random = _stream(self.seed, 5 + number, start // _ROWS)
            length = model.noise * np.exp(model.difficulty * random.standard_normal(_ROWS))
            chosen = random.integers(self.per_kind, size=_ROWS)
            block = self.directions(random, (_ROWS,))
            rows = slice(start, start + _ROWS)
            labels, kinds = part.landmarks[rows], part.views[rows]
            n = len(labels)
            length, chosen, block = length[:n], chosen[:n], block[:n]
            nobody = labels == NOBODY
            # What is its own and what is noise are one normal draw, where there is only one photo.
            length[nobody] = np.sqrt(length[nobody] ** 2 + 1 - model.scene)
            block *= length[:, None].astype(np.float32)
            block[~nobody] += views[labels[~nobody], kinds[~nobody]]
            scenes = self.types[kinds[nobody], chosen[nobody]]
            block[nobody] += np.float32(np.sqrt(model.scene)) * scenes
            block = block @ self.rotation
            block /= np.linalg.norm(block, axis=1, keepdims=True)
            out[start : start + len(block)] = block
        out.flush()


def _create(path: Path, shape: tuple[int, ...]) -> Any:
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
