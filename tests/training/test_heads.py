"""Heads against the formulas written out in float64, and against pytorch-metric-learning."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytorch_metric_learning import losses

from steeple.errors import InputError
from steeple.training.heads import (
    HEADS,
    ArcFace,
    CosFace,
    CosineHead,
    Softmax,
    SubcentreArcFace,
    create_head,
)

CLASSES, DIMENSION, BATCH = 7, 5, 6


def batch(seed=0, dtype=torch.float32):
    random = np.random.default_rng(seed)
    embeddings = torch.tensor(3 * random.normal(size=(BATCH, DIMENSION)), dtype=dtype)
    return embeddings, torch.tensor(random.integers(0, CLASSES, BATCH))


def unit(x):
    return x / np.sqrt((x * x).sum(axis=-1, keepdims=True))


def entropy(logits, targets):
    """The mean cross entropy, one photo at a time."""
    terms = [
        math.log(sum(math.exp(value) for value in row)) - row[target]
        for row, target in zip(logits, targets, strict=True)
    ]
    return sum(terms) / len(terms)


def literal_loss(head, x, weight, targets):
    """The loss as the papers write it, with angles, in float64."""
    if isinstance(head, Softmax):
        bias = head.rows.tables()["bias"].detach().double().numpy()
        return entropy(x @ weight.T + bias, targets)
    cosines = np.einsum("bd,c...d->bc...", unit(x), unit(weight))
    if cosines.ndim == 3:
        cosines = cosines.max(axis=2)
    for row, target in zip(cosines, targets, strict=True):
        theta = math.acos(row[target])
        if isinstance(head, CosFace):
            row[target] -= head.margin
        elif theta > math.pi - head.margin:
            row[target] -= head.margin * math.sin(head.margin)
        else:
            row[target] = math.cos(theta + head.margin)
    return entropy(head.scale * cosines, targets)


def slopes(function, x, width=1e-6):
    """The gradient by central differences."""
    found = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        for sign in (1, -1):
            moved = x.copy()
            moved[place] += sign * width
            found[place] += sign * function(moved) / (2 * width)
    return found


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("margin", [0.0, 0.3, 1.2])
def test_loss_and_gradients_are_those_of_the_formula(name, margin):
    head = create_head(name, CLASSES, DIMENSION, scale=4.0, margin=margin, seed=3).double()
    if name == "softmax":
        torch.nn.init.normal_(head.rows.bias, generator=torch.Generator().manual_seed(1))
    for seed in range(3):  # with a margin of 1.2, both sides of pi - m
        embeddings, targets = batch(seed, torch.float64)
        embeddings.requires_grad_()
        head.zero_grad()
        loss = head(embeddings, targets)
        loss.backward()
        x, weight = embeddings.detach().numpy(), head.weight.detach().numpy()
        expected = literal_loss(head, x, weight, targets.tolist())
        assert loss.item() == pytest.approx(expected, rel=1e-9)
        np.testing.assert_allclose(
            embeddings.grad,
            slopes(lambda moved, w=weight, t=targets: literal_loss(head, moved, w, t), x),
            atol=1e-7,
        )
        np.testing.assert_allclose(
            head.weight.grad,
            slopes(lambda moved, x=x, t=targets: literal_loss(head, x, moved, t), weight),
            atol=1e-7,
        )


def test_the_examples_lie_on_both_sides_of_the_continuation():
    head = create_head("arcface", CLASSES, DIMENSION, margin=1.2, seed=3).double()
    embeddings, targets = batch(0, torch.float64)
    true = head.cosines(embeddings).gather(1, targets[:, None])
    beyond = true < -math.cos(1.2)
    assert beyond.any()
    assert not beyond.all()


def test_the_bias_learns():
    head = create_head("softmax", CLASSES, DIMENSION)
    embeddings, targets = batch()
    head(embeddings, targets).backward()
    shares = head.logits(embeddings).softmax(dim=1).detach()
    shares[torch.arange(BATCH), targets] -= 1
    torch.testing.assert_close(head.rows.bias.grad, shares.mean(dim=0))


@pytest.mark.parametrize("name", ["arcface", "cosface", "subcentre-arcface"])
@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_at_both_poles_gradients_are_finite(name, direction, dtype):
    head = create_head(name, CLASSES, DIMENSION, centres=2).to(dtype)
    embeddings = torch.zeros(CLASSES, DIMENSION, dtype=dtype)
    with torch.no_grad():
        head.weight.zero_()
        for number in range(CLASSES):  # on an axis, so that the cosine is exactly 1 or -1
            head.weight[number, ..., number % DIMENSION] = 1
            embeddings[number, number % DIMENSION] = 2 * direction
    embeddings.requires_grad_()
    targets = torch.arange(CLASSES)
    true = head.cosines(embeddings).gather(1, targets[:, None])
    assert (true == direction).all()
    loss = head(embeddings, targets)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(embeddings.grad).all()
    assert torch.isfinite(head.weight.grad).all()
    outside = torch.tensor([direction * (1 + 1e-6)], dtype=dtype, requires_grad=True)  # by rounding
    head.margined(outside).sum().backward()
    assert torch.isfinite(outside.grad).all()


@given(
    margin=st.floats(0, 1.57),
    angles=st.lists(st.floats(0, math.pi), min_size=2, max_size=20),
    name=st.sampled_from(["arcface", "cosface", "subcentre-arcface"]),
)
def test_the_true_class_counts_less_the_farther_it_is(margin, angles, name):
    head = create_head(name, 2, 2, margin=margin)
    cosines = torch.cos(torch.tensor(sorted([*angles, 0, math.pi]), dtype=torch.float64))
    found = head.margined(cosines)
    # The eps that the square of a sine is held at is worth its root of sine.
    assert (found.diff() <= 1e-12).all()
    assert (found <= cosines + 1e-12).all()


@given(margin=st.floats(0, 1.57), angle=st.floats(0, math.pi))
def test_arcface_adds_the_margin_to_the_angle(margin, angle):
    cosine = torch.tensor([math.cos(angle)], dtype=torch.float64)
    found = ArcFace(2, 2, margin=margin).margined(cosine).item()
    if angle < math.pi - margin - 1e-6:
        assert found == pytest.approx(math.cos(angle + margin), abs=3e-8)
    elif angle > math.pi - margin + 1e-6:
        assert found == pytest.approx(math.cos(angle) - margin * math.sin(margin))


def theirs(kind, head, **options):
    """One of pytorch-metric-learning's losses with the weights of a head; theirs lie in columns."""
    loss = kind(num_classes=CLASSES, embedding_size=DIMENSION, **options)
    loss.W.data = head.weight.detach().reshape(-1, DIMENSION).T.clone()
    return loss


def assert_same_as(head, loss):
    for seed in range(5):
        embeddings, targets = batch(seed)
        copies = embeddings.clone().requires_grad_(), embeddings.clone().requires_grad_()
        head.zero_grad()
        loss.zero_grad()
        ours, other = head(copies[0], targets), loss(copies[1], targets)
        ours.backward()
        other.backward()
        torch.testing.assert_close(ours, other)
        torch.testing.assert_close(copies[0].grad, copies[1].grad, rtol=1e-4, atol=1e-5)
        ours_weight = head.weight.grad.reshape(-1, DIMENSION).T
        torch.testing.assert_close(ours_weight, loss.W.grad, rtol=1e-4, atol=1e-5)


# Their margin is in degrees, ours in radians. Up to 2.9 they continue beyond pi - m as we do.
@pytest.mark.parametrize("margin", [0.0, 0.3, 1.2])
def test_arcface_is_that_of_pytorch_metric_learning(margin):
    head = ArcFace(CLASSES, DIMENSION, margin=margin)
    assert_same_as(head, theirs(losses.ArcFaceLoss, head, margin=math.degrees(margin), scale=30))


def test_cosface_is_that_of_pytorch_metric_learning():
    head = CosFace(CLASSES, DIMENSION, scale=20, margin=0.35)
    assert_same_as(head, theirs(losses.CosFaceLoss, head, margin=0.35, scale=20))


def test_subcentres_are_those_of_pytorch_metric_learning():
    head = SubcentreArcFace(CLASSES, DIMENSION, centres=3)
    options = {"margin": math.degrees(0.3), "scale": 30, "sub_centers": 3}
    assert_same_as(head, theirs(losses.SubCenterArcFaceLoss, head, **options))


def test_arcface_differs_from_pytorch_metric_learning_at_the_poles_only():
    """Theirs is acos after a clamp: at cos = 1 its slope is 0 (NaN where the clamp lets it by)."""
    head = ArcFace(CLASSES, DIMENSION)
    loss = theirs(losses.ArcFaceLoss, head, margin=math.degrees(0.3), scale=30)
    for cosine, same in ((1.0, False), (1 - 2e-7, True), (0.0, True), (-1 + 2e-7, True)):
        ours, other = (torch.tensor([cosine], requires_grad=True) for _ in range(2))
        found, expected = head.margined(ours), loss.modify_cosine_of_target_classes(other)
        found.sum().backward()
        expected.sum().backward()
        # What being finite costs: at the pole, a sine of 3.5e-4 instead of 0.
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6 if same else 2e-4)
        assert torch.allclose(ours.grad, other.grad, rtol=1e-2) == same
        if not same:
            assert ours.grad.item() == pytest.approx(math.cos(0.3))


def test_one_centre_is_arcface():
    embeddings, targets = batch()
    one = SubcentreArcFace(CLASSES, DIMENSION, centres=1, seed=4)
    assert torch.equal(one(embeddings, targets), ArcFace(CLASSES, DIMENSION, seed=4)(*batch()))


@pytest.mark.parametrize("name", HEADS)
def test_logits_have_no_margin(name):
    head = create_head(name, CLASSES, DIMENSION)
    embeddings, _ = batch()
    logits = head.logits(embeddings)
    assert logits.shape == (BATCH, CLASSES)
    if isinstance(head, CosineHead):
        cosines = head.cosines(embeddings)
        assert cosines.abs().max() <= 1 + 1e-6
        torch.testing.assert_close(logits, 30 * cosines)
        torch.testing.assert_close(head.cosines(5 * embeddings), cosines)
    else:
        expected = torch.nn.functional.linear(embeddings, head.weight, head.rows.bias)
        torch.testing.assert_close(logits, expected)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("sampled", [None, 0.5])
def test_autocast_changes_nothing(name, sampled):
    embeddings, targets = batch()
    plain = create_head(name, CLASSES, DIMENSION, sampled=sampled)
    mixed = create_head(name, CLASSES, DIMENSION, sampled=sampled)
    expected = plain(embeddings.bfloat16().float(), targets)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = mixed(embeddings.bfloat16(), targets)
        assert mixed.logits(embeddings.bfloat16()).dtype == torch.float32
    assert loss.dtype == torch.float32
    assert torch.equal(loss, expected)
    loss.backward()


@pytest.mark.parametrize("name", HEADS)
def test_first_weights_are_those_of_the_seed(name):
    state = torch.get_rng_state()
    first, again, other = (create_head(name, 40, 8, seed=seed).weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)
    centres = 3 if name == "subcentre-arcface" else 1
    assert first.numel() == 40 * 8 * centres
    # Even between -b and b, the variance is b * b / 3.
    assert first.var().item() == pytest.approx(2 / (40 * centres + 8), rel=0.2)


@pytest.mark.parametrize("name", HEADS)
def test_a_full_head_leaves_its_rows_to_the_optimizer(name):
    head = create_head(name, CLASSES, DIMENSION)
    assert len(list(head.parameters())) == (2 if name == "softmax" else 1)
    before = {key: value.clone() for key, value in head.state_dict().items()}
    head(*batch()).backward()
    head.step(1.0)
    head.forget()
    assert head.weight.grad is not None
    for key, value in head.state_dict().items():
        assert torch.equal(value, before[key])


@pytest.mark.parametrize("name", HEADS)
def test_the_loss_can_be_learned(name):
    embeddings, _ = batch()
    targets = torch.arange(BATCH)
    head = create_head(name, CLASSES, DIMENSION, scale=10)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1, momentum=0.9)
    for _ in range(200):
        optimizer.zero_grad()
        head(embeddings, targets).backward()
        optimizer.step()
    assert torch.equal(head.logits(embeddings).argmax(dim=1), targets)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("arcfaces", {}, "no head 'arcfaces'; there are arcface, cosface"),
        ("arcface", {"margin": -0.1}, "margin of a head is -0.1"),
        ("cosface", {"margin": math.pi / 2}, "below pi/2"),
        ("arcface", {"margin": 17.2}, "radians, not degrees"),
        ("arcface", {"margin": math.nan}, "margin of a head is nan"),
        ("arcface", {"scale": 0.0}, "scale of a head is 0.0"),
        ("arcface", {"scale": math.inf}, "scale of a head is inf"),
        ("cosface", {"classes": 1}, "there are 1; label photos"),
        ("softmax", {"classes": 1}, "there are 1; label photos"),
        ("softmax", {"dimension": 0}, "0 dimensions"),
        ("subcentre-arcface", {"centres": 0}, "0 centres"),
        ("arcface", {"seed": -1}, "seed of a head is -1"),
        ("arcface", {"sampled": 0.0}, "cannot sample 0.0 classes"),
        ("arcface", {"sampled": 2.5}, "whole number"),
        ("arcface", {"sampled": math.nan}, "cannot sample nan"),
        ("arcface", {"sampled": math.inf}, "cannot sample inf"),
        ("arcface", {"sampled": 0.1, "momentum": 1.0}, "momentum is 1.0"),
        ("arcface", {"sampled": 0.1, "decay": -1.0}, "weight decay is -1.0"),
        ("arcface", {"sampled": 0.1, "seed": -1}, "seed of the sampling is -1"),
    ],
)
def test_what_cannot_be_used_is_one_clear_error(name, options, message):
    with pytest.raises(InputError, match=message) as caught:
        create_head(name, **{"classes": CLASSES, "dimension": DIMENSION, **options})
    assert "\n" not in str(caught.value)
