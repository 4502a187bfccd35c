"""Attention against its formula."""

from __future__ import annotations

import numpy as np
import torch

from steeple.geometry.delf.attention import attend, new_attention


def maps(seed: int = 0) -> torch.Tensor:
    return 5 * torch.randn(2, 24, 3, 4, generator=torch.Generator().manual_seed(seed))


def test_two_layers_and_softplus_cell_by_cell():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        attention = new_attention(24)
    first = attention[0]
    assert first.out_channels == 512
    with torch.no_grad():
        found = attend(attention, maps()).numpy()
    assert found.shape == (2, 3, 4)
    cells = maps().permute(0, 2, 3, 1).numpy().astype(np.float64)
    w1, b1, w2, b2 = (p.detach().numpy().squeeze() for p in attention.parameters())
    hidden = np.maximum(cells @ w1.T + b1, 0)
    np.testing.assert_allclose(found, np.log1p(np.exp(hidden @ w2 + b2)), rtol=1e-4)


def test_never_negative_however_sure_it_is():
    attention = new_attention(24)
    torch.nn.init.constant_(attention[2].bias, -30.0)
    with torch.no_grad():
        found = attend(attention, 50 * maps())
    assert (found >= 0).all()
    assert found.max() > found.min()


def test_without_training_it_is_the_length_of_the_activation():
    expected = np.sqrt((maps().numpy().astype(np.float64) ** 2).sum(axis=1))
    np.testing.assert_allclose(attend(None, maps()).numpy(), expected, rtol=1e-5)
