"""Sampled classes against the full head and `torch.optim.SGD`."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steeple.training.heads import HEADS, create_head
from steeple.training.sampled import SampledRows, Sampling

CLASSES, DIMENSION, BATCH = 50, 8, 6
RATE = 0.1


def batch(seed):
    random = np.random.default_rng(seed)
    embeddings = torch.tensor(random.normal(size=(BATCH, DIMENSION)), dtype=torch.float32)
    return embeddings.requires_grad_(), torch.tensor(random.integers(0, CLASSES, BATCH))


def train(head, steps, first=0):
    """The losses of some steps, and the gradients of their embeddings."""
    found = []
    for number in range(first, first + steps):
        embeddings, targets = batch(number)
        loss = head(embeddings, targets)
        loss.backward()
        head.step(RATE / (1 + number))
        found.append((loss.detach(), embeddings.grad))
    return found


def rows_of(classes, sampling):
    return SampledRows({"weight": torch.zeros(classes, 1)}, sampling)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("sampled", [1.0, CLASSES, 10 * CLASSES])
def test_all_of_them_is_the_full_head_with_sgd(name, sampled):
    ours = create_head(name, CLASSES, DIMENSION, sampled=sampled, momentum=0.8, decay=1e-2)
    full = create_head(name, CLASSES, DIMENSION)
    assert not list(ours.parameters())
    optimizer = torch.optim.SGD(full.parameters(), lr=1, momentum=0.8, weight_decay=1e-2)
    for number, (loss, grad) in enumerate(train(ours, 5)):
        embeddings, targets = batch(number)
        expected = full(embeddings, targets)
        optimizer.zero_grad()
        expected.backward()
        optimizer.param_groups[0]["lr"] = RATE / (1 + number)
        optimizer.step()
        torch.testing.assert_close(loss, expected)
        torch.testing.assert_close(grad, embeddings.grad)
    for key, table in full.rows.tables().items():
        torch.testing.assert_close(ours.rows.tables()[key], table)
        torch.testing.assert_close(
            ours.rows.get_buffer(f"{key}_momentum"), optimizer.state[table]["momentum_buffer"]
        )


@pytest.mark.parametrize("name", HEADS)
def test_only_sampled_rows_are_touched(name):
    head = create_head(name, CLASSES, DIMENSION, sampled=12, decay=0.1)
    train(head, 3)  # so that momentum is there to be touched
    before = {key: table.clone() for key, table in head.state_dict().items()}
    embeddings, targets = batch(9)
    head(embeddings, targets).backward()
    drawn = head.rows._draws[0].index
    head.step(RATE)
    assert len(drawn) == 12
    assert set(targets.tolist()) <= set(drawn.tolist())
    rest = torch.ones(CLASSES, dtype=torch.bool)
    rest[drawn] = False
    for key, table in head.state_dict().items():
        if key != "rows.state":
            assert torch.equal(table[rest], before[key][rest])
            changed = (table != before[key]).reshape(CLASSES, -1).any(dim=1)
            assert changed[drawn].all()


@pytest.mark.parametrize("name", HEADS)
def test_the_loss_is_that_of_a_full_head_of_the_sampled_classes(name):
    head = create_head(name, CLASSES, DIMENSION, sampled=0.3)
    embeddings, targets = batch(1)
    tables = {key: table.clone() for key, table in head.rows.tables().items()}
    loss = head(embeddings, targets)
    drawn = head.rows._draws[0].index
    assert len(drawn) == 15
    small = create_head(name, len(drawn), DIMENSION)
    with torch.no_grad():
        for key, table in small.rows.tables().items():
            table.copy_(tables[key][drawn])
    places = torch.tensor([drawn.tolist().index(target) for target in targets.tolist()])
    torch.testing.assert_close(loss, small(embeddings, places))


@pytest.mark.parametrize("name", HEADS)
def test_resumed_is_as_if_never_interrupted(name):
    options = {"sampled": 0.2, "seed": 5}
    through = create_head(name, CLASSES, DIMENSION, **options)
    expected = train(through, 6)

    stopped = create_head(name, CLASSES, DIMENSION, **options)
    train(stopped, 3)
    file = io.BytesIO()
    torch.save(stopped.state_dict(), file)
    file.seek(0)
    # Whatever the new one was made with: its state comes from the file.
    resumed = create_head(name, CLASSES, DIMENSION, sampled=0.2, seed=77)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for (loss, grad), (other, other_grad) in zip(expected[3:], train(resumed, 3, 3), strict=True):
        assert torch.equal(loss, other)
        assert torch.equal(grad, other_grad)
    for key, value in through.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key])


def test_the_seed_decides_and_no_global_state():
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    weights = []
    for seed in (1, 1, 2):
        head = create_head("arcface", CLASSES, DIMENSION, sampled=0.2, seed=1)
        head.rows.state[0] = seed  # the same first weights, other samples
        train(head, 3)
        weights.append(head.weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)


@given(
    classes=st.integers(2, 40),
    wanted=st.one_of(st.floats(0.01, 1), st.integers(2, 60)),
    data=st.data(),
)
def test_a_sample_holds_the_batch_and_others_once(classes, wanted, data):
    targets = torch.tensor(data.draw(st.lists(st.integers(0, classes - 1), min_size=1)))
    rows = rows_of(classes, Sampling(wanted))
    tables, places = rows.draw(targets)
    drawn = rows._draws[0].index
    assert drawn.tolist() == sorted(set(drawn.tolist()))
    assert drawn[0] >= 0
    assert drawn[-1] < classes
    assert torch.equal(drawn[places], targets)
    assert tables["weight"].shape == (len(drawn), 1)
    share = int(np.ceil(wanted * classes)) if wanted <= 1 else wanted
    assert len(drawn) == max(2, min(share, classes), len(set(targets.tolist())))


def test_the_others_are_drawn_evenly_and_anew():
    rows = rows_of(10, Sampling(4))
    counts = np.zeros(10)
    for _ in range(1000):
        rows.draw(torch.tensor([0, 4]))
        counts[rows._draws[0].index] += 1
        rows.forget()
    assert counts[0] == counts[4] == 1000
    others = np.delete(counts, [0, 4])
    assert others.sum() == 2000
    # Each of the 8 with probability 1/4: 250 on average, with a deviation of 14.
    assert np.abs(others - 250).max() < 4 * 14


@pytest.mark.parametrize("name", ["arcface", "softmax"])
def test_gradients_of_several_batches_add_up(name):
    ours = create_head(name, CLASSES, DIMENSION, sampled=1.0, decay=0.01)
    full = create_head(name, CLASSES, DIMENSION)
    optimizer = torch.optim.SGD(full.parameters(), lr=RATE, momentum=0.9, weight_decay=0.01)
    for number in range(3):
        for head in (ours, full):
            (head(*batch(number)) / 3).backward()
    ours.step(RATE)
    optimizer.step()
    torch.testing.assert_close(ours.weight, full.weight.detach())


def test_different_samples_add_up_row_by_row():
    head = create_head("arcface", CLASSES, DIMENSION, sampled=0.3, momentum=0.0, decay=0.0)
    before = head.weight.clone()
    for number in range(2):
        head(*batch(number)).backward()
    moved = before.clone()
    for draw in head.rows._draws:
        moved[draw.index] -= RATE * draw.rows["weight"].grad
    head.step(RATE)
    torch.testing.assert_close(head.weight, moved)


def test_what_is_forgotten_moves_nothing():
    head = create_head("cosface", CLASSES, DIMENSION, sampled=0.2)
    before = head.weight.clone()
    head(*batch(0)).backward()
    head.forget()
    head.step(RATE)
    head(*batch(1))  # a loss that nobody asked the gradient of
    head.step(RATE)
    assert torch.equal(head.weight, before)


def test_evaluation_compares_with_all_and_draws_nothing():
    head = create_head("arcface", CLASSES, DIMENSION, sampled=0.2)
    full = create_head("arcface", CLASSES, DIMENSION)
    embeddings, targets = batch(0)
    with torch.no_grad():
        torch.testing.assert_close(head(embeddings, targets), full(embeddings, targets))
    head.eval()
    loss = head(embeddings, targets)
    loss.backward()
    torch.testing.assert_close(loss, full(embeddings, targets))
    assert embeddings.grad is not None
    torch.testing.assert_close(head.logits(embeddings), full.logits(embeddings))
    assert head.rows.state.tolist() == [0, 0]
    assert not head.rows._draws


def test_what_was_sampled_is_learned():
    head = create_head("arcface", CLASSES, DIMENSION, scale=10, sampled=0.2)
    embeddings, targets = batch(3)
    for _ in range(300):
        head(embeddings, targets).backward()
        head.step(RATE)
    assert torch.equal(head.logits(embeddings).argmax(dim=1), targets)


def test_a_copy_lives_on_its_own():
    head = create_head("arcface", CLASSES, DIMENSION, sampled=0.2)
    train(head, 2)
    other = copy.deepcopy(head)
    train(head, 2, 2)
    train(other, 2, 2)
    assert torch.equal(head.weight, other.weight)
    assert head.weight.data_ptr() != other.weight.data_ptr()
