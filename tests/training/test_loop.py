"""Single steps against the same done by hand, and what goes wrong in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from steeple.embedding.network import Architecture, new_network
from steeple.embedding.preprocessing import Colours
from steeple.errors import InputError, MachineError
from steeple.training import loop
from steeple.training.checkpoint import Position
from steeple.training.heads import create_head
from steeple.training.learner import Trainee, new_trainee
from steeple.training.loading import LoadedBatch
from steeple.training.loop import train_steps
from steeple.training.photos import TrainingSet, read_photos
from steeple.training.plan import Plan
from steeple.training.schedule import learning_rate
from steeple.training.settings import Settings
from steeple.training.team import Team


@pytest.fixture(scope="module")
def photos(landmarks: Path) -> TrainingSet:
    return read_photos(landmarks, workers=1)


def make(settings: Settings, colours: Colours | None = None) -> Trainee:
    architecture = Architecture(settings.model.backbone, dimension=settings.model.dimension)
    network = new_network(architecture)
    sampled = settings.head.sampled or None
    head = create_head(settings.head.kind, 4, settings.model.dimension, sampled=sampled)
    device = torch.device("cpu")
    return new_trainee(network, head, colours or Colours(), settings.schedule, device)


def take(
    trainee: Trainee, settings: Settings, photos: TrainingSet, position: Position | None = None
) -> Iterator[loop.Step]:
    plan = Plan(photos, settings)
    return train_steps(trainee, plan, Team(), position or Position(), workers=1)


def test_positions_rates_and_photos(tiny: Settings, photos: TrainingSet) -> None:
    plan = Plan(photos, tiny)
    steps = list(take(make(tiny), tiny, photos))
    assert len(steps) == plan.steps == plan.steps_of(0) + plan.steps_of(1)
    assert [step.position.step for step in steps] == list(range(1, plan.steps + 1))
    ends = [step.position for step in steps if step.position.within == 0]
    assert [(end.epoch, end.step) for end in ends] == [(1, plan.steps_of(0)), (2, plan.steps)]
    assert sum(step.photos for step in steps) == 2 * len(photos)
    expected = [
        learning_rate(n, plan.steps, rate=0.05, last=1e-4, warmup=2) for n in range(plan.steps)
    ]
    assert [step.rate for step in steps] == expected
    rest = list(take(make(tiny), tiny, photos, steps[3].position))
    assert [step.position for step in rest] == [step.position for step in steps[4:]]
    assert not list(take(make(tiny), tiny, photos, steps[-1].position))


def by_hand(trainee: Trainee, batches: list[LoadedBatch], rate: float, clip: float) -> None:
    """One step of SGD with weight decay, in plain operations; momentum begins at zero."""
    learner, parameters = trainee.learner, list(trainee.parameters().values())
    total = sum(len(batch) for batch in batches)
    for batch in batches:
        normal = (torch.from_numpy(batch.images).float() - learner.mean) / learner.std
        raw = learner.network.raw(normal.permute(0, 3, 1, 2))
        loss = learner.head(raw, torch.from_numpy(batch.targets)) * len(batch) / total
        torch.autograd.backward(loss)
    norm = torch.stack([p.grad.square().sum() for p in parameters if p.grad is not None])
    factor = min(1.0, clip / float(norm.sum().sqrt() + 1e-6)) if clip else 1.0
    with torch.no_grad():
        for name, value in trainee.parameters().items():
            decay = 0.0 if name.startswith("network.pool") else 1e-5
            speed = 3.0 if name.startswith("head") else 1.0
            value.sub_(rate * speed * (value.grad * factor + decay * value))


@pytest.mark.parametrize(("accumulate", "clip"), [(1, 0.0), (2, 0.0), (1, 0.5)])
def test_a_step_as_it_is_done_by_hand(
    tiny: Settings, photos: TrainingSet, accumulate: int, clip: float
) -> None:
    changes = {"accumulate": accumulate, "clip": clip, "head_rate": 3.0, "warmup": 0}
    settings = tiny.merged(**changes)
    trainee, other = make(settings), make(settings)
    step = next(take(trainee, settings, photos))
    plan = Plan(photos, settings)
    loaded = loop.load_batches(plan.batches(0)[:accumulate], photos, settings, 0, 1)
    by_hand(other, list(loaded), step.rate, clip)
    for name, value in other.parameters().items():
        torch.testing.assert_close(
            trainee.parameters()[name], value, rtol=1e-4, atol=1e-6, msg=name
        )
    assert step.loss is not None
    assert np.isfinite(step.loss.item())


def test_two_small_batches_learn_what_a_large_one_does(
    tiny: Settings, photos: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no batch norm looks at the batch: those of the trunk frozen, the last left out."""
    settings = tiny.merged(freeze_batch_norm=True)
    whole = next(iter(loop.load_batches(Plan(photos, tiny).batches(0)[:1], photos, tiny, 0, 1)))
    parts = [LoadedBatch(whole.images[p], whole.targets[p]) for p in (slice(3), slice(3, None))]
    found = []
    for accumulate, batches in ((1, [whole]), (2, parts)):
        monkeypatch.setattr(loop, "load_batches", lambda *_, given=batches: (b for b in given))
        chosen = settings.merged(accumulate=accumulate)
        trainee = make(chosen)
        trainee.network.bn.eval()
        found.append((next(take(trainee, chosen, photos)), trainee.parameters()))
    (one, a), (two, b) = found
    assert one.photos == two.photos
    assert one.loss is not None
    assert two.loss is not None
    torch.testing.assert_close(one.loss, two.loss)
    for name, value in a.items():
        torch.testing.assert_close(value, b[name], rtol=1e-4, atol=1e-6)


def test_colours_are_what_the_network_expects() -> None:
    settings = Settings().merged(backbone="test_efficientnet", dimension=4)
    colours = Colours((0.4, 0.5, 0.6), (0.2, 0.3, 0.4), "BGR")
    trainee, seen = make(settings, colours), []
    trainee.network.trunk.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    images = np.random.default_rng(0).integers(0, 255, (2, 32, 48, 3), dtype=np.uint8)
    trainee.learner(torch.from_numpy(images), torch.tensor([0, 1]))
    np.testing.assert_allclose(seen[0].numpy(), colours.normalise(images), rtol=1e-4, atol=1e-5)
    assert seen[0].is_contiguous(memory_format=torch.channels_last)


def test_batches_that_nothing_is_left_of(
    tiny: Settings, photos: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = (32, 48, 3)

    def loaded(batches: list[Any], *_: Any) -> Iterator[LoadedBatch]:
        for number, _ in enumerate(batches):
            left = (0, 1, 3)[number % 3]
            images = np.random.default_rng(number).integers(0, 255, (left, *shape), dtype=np.uint8)
            yield LoadedBatch(images, np.arange(left), [("a.jpg", "gone")])

    monkeypatch.setattr(loop, "load_batches", loaded)
    steps = list(take(make(tiny), tiny, photos))
    assert [step.loss is None for step in steps[:3]] == [True, True, False]
    assert [step.photos for step in steps[:3]] == [0, 1, 3]
    assert steps[0].failed == (("a.jpg", "gone"),)
    assert len(steps) == Plan(photos, tiny).steps  # none is lost, so that rates stay in step


def test_a_gpu_without_memory(
    tiny: Settings, photos: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainee = make(tiny)

    def out_of_memory(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\n...")

    trainee.network.trunk.register_forward_pre_hook(out_of_memory)
    with pytest.raises(MachineError) as caught:
        next(take(trainee, tiny, photos))
    said = str(caught.value)
    assert "the GPU has too little memory for" in said
    assert "schedule.batch smaller than 8 and schedule.accumulate larger than 1" in said
    assert "\n" not in said


def test_every_process_has_its_part(tiny: Settings, photos: TrainingSet) -> None:
    whole = Plan(photos, tiny).batches(0)
    parts = [Plan(photos, tiny, rank, 2).batches(0) for rank in range(2)]
    assert [len(part) for part in parts] == [len(whole) // 2] * 2
    numbers = [set(np.concatenate([b.numbers for b in part]).tolist()) for part in parts]
    assert not numbers[0] & numbers[1]
    with pytest.raises(InputError, match=r"batches for 99 processes; start fewer"):
        Plan(photos, tiny, 0, 99).batches(0)
    some = Plan(photos, tiny.merged(per_epoch=20, epochs=3, accumulate=2))
    assert some.in_epoch == 20
    assert some.steps == sum(-(-len(some.batches(epoch)) // 2) for epoch in range(3))
