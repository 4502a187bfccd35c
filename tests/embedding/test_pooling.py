"""GeM against its formula in double precision, and what must hold of a generalised mean."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from steeple.embedding.pooling import EPSILON, GeM

Maps = npt.NDArray[np.float32]

maps_of_photos = arrays(
    np.float32,
    array_shapes(min_dims=4, max_dims=4, min_side=1, max_side=5),
    elements=st.floats(-10, 100, width=32),
)
powers = st.floats(0.5, 100)


def _pool(maps: Maps, p: float) -> Maps:
    with torch.no_grad():
        return np.asarray(GeM(p)(torch.from_numpy(maps)).numpy())


def _literal(maps: Maps, p: float) -> npt.NDArray[np.float64]:
    out = np.zeros(maps.shape[:2])
    for image in range(maps.shape[0]):
        for channel in range(maps.shape[1]):
            cells = [max(float(x), EPSILON) for x in maps[image, channel].ravel()]
            # The mean of powers by way of logarithms, which neither overflow nor vanish.
            logs = p * np.log(cells)
            out[image, channel] = np.exp((np.logaddexp.reduce(logs) - np.log(len(cells))) / p)
    return out


def test_the_known_value() -> None:
    channel_last = torch.arange(8.0).reshape(1, 2, 2, 2)
    found = GeM(3.0)(channel_last.permute(0, 3, 1, 2))
    expected = torch.tensor([[4.1601677, 4.9866314]])
    torch.testing.assert_close(found.detach(), expected, rtol=1e-6, atol=0)


@given(maps_of_photos, powers)
def test_it_is_the_formula(maps: Maps, p: float) -> None:
    np.testing.assert_allclose(_pool(maps, p), _literal(maps, p), rtol=2e-4)


@given(maps_of_photos)
def test_power_one_is_the_mean_of_what_is_positive(maps: Maps) -> None:
    mean = np.maximum(maps.astype(np.float64), EPSILON).mean(axis=(2, 3))
    np.testing.assert_allclose(_pool(maps, 1.0), mean, rtol=1e-5)


@given(maps_of_photos, st.floats(1, 100))
def test_it_lies_between_mean_and_maximum(maps: Maps, p: float) -> None:
    found, clamped = _pool(maps, p), np.maximum(maps, EPSILON).astype(np.float64)
    assert (found <= clamped.max(axis=(2, 3)) * (1 + 1e-5)).all()
    assert (found >= clamped.mean(axis=(2, 3)) * (1 - 1e-5)).all()


@given(maps_of_photos, powers, powers)
def test_it_grows_with_the_power(maps: Maps, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert (_pool(maps, high) >= _pool(maps, low) * (1 - 2e-4)).all()


@given(maps_of_photos, powers, st.floats(1, 1000))
def test_brighter_maps_give_as_much_more(maps: Maps, p: float, factor: float) -> None:
    maps = np.maximum(maps, EPSILON)
    scaled = (maps * np.float32(factor)).astype(np.float32)
    np.testing.assert_allclose(_pool(scaled, p), _pool(maps, p) * factor, rtol=1e-4)


@pytest.mark.parametrize("p", [1.0, 3.0, 10.0, 100.0])
@pytest.mark.parametrize("value", [0.0, 1e-3, 1.0, 60000.0, 1e30])
def test_no_power_overflows_or_vanishes(p: float, value: float) -> None:
    pool = GeM(p, learnable=True)
    maps = torch.full((1, 2, 3, 4), value)
    maps[:, 1, 1:] = 0  # one channel is mostly dead
    maps.requires_grad_()
    found = pool(maps)
    found.sum().backward()
    assert found.isfinite().all()
    assert float(found[0, 0].detach()) == pytest.approx(max(value, EPSILON), rel=1e-5)
    assert maps.grad is not None
    assert maps.grad.isfinite().all()
    assert pool.p.grad is not None
    assert pool.p.grad.isfinite().all()


@pytest.mark.parametrize("channels", [None, 3])
def test_gradients_are_those_of_the_formula(channels: int | None) -> None:
    pool = GeM(2.5, learnable=True, channels=channels)
    maps = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)) + 0.1
    maps.requires_grad_()
    weights = torch.tensor([1.0, -2.0, 3.0])
    (pool(maps) * weights).sum().backward()

    exact = maps.detach().double().requires_grad_()
    p = pool.p.detach().double().requires_grad_()
    plain = exact.pow(p[:, None, None]).mean(dim=(2, 3)).pow(1 / p)
    (plain * weights).sum().backward()
    assert exact.grad is not None
    assert p.grad is not None
    torch.testing.assert_close(maps.grad, exact.grad.float(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(pool.p.grad, p.grad.float(), rtol=1e-4, atol=1e-5)


def test_a_power_for_each_channel() -> None:
    pool = GeM(3.0, channels=2)
    with torch.no_grad():
        pool.p.copy_(torch.tensor([1.0, 4.0]))
    maps = torch.rand(3, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    found = pool(maps).detach().numpy()
    for channel, p in enumerate((1.0, 4.0)):
        only = maps[:, channel : channel + 1].numpy()
        np.testing.assert_allclose(found[:, channel], _literal(only, p)[:, 0], rtol=1e-5)


def test_whether_it_is_learned_is_said() -> None:
    assert not GeM().p.requires_grad
    assert GeM(learnable=True).p.requires_grad


def test_half_precision_is_pooled_in_full() -> None:
    maps = torch.rand(1, 2, 5, 5, generator=torch.Generator().manual_seed(2)) * 100
    half = maps.half()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = GeM(3.0)(half).detach()
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), _literal(half.float().numpy(), 3.0), rtol=1e-5)
