"""Receptive fields against gradients: the pixels that change a cell are those it is said to see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from steeple.errors import InputError
from steeple.networks.backbone import load_backbone
from steeple.networks.receptive import Receptive, measure_receptive


def seen_pixels(network: nn.Module, cell: int, side: int) -> np.ndarray:
    """The literal way: which columns of an image have a gradient at a cell of the map's diagonal.

    With weights above zero and averages for maxima, nothing cancels out and nothing is cut off.
    """
    open_shortcuts(network)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
        for name, child in module.named_children():
            if isinstance(child, nn.MaxPool2d):
                average = nn.AvgPool2d(child.kernel_size, child.stride, child.padding)
                setattr(module, name, average)
    image = torch.ones(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    network.double()(image)[-1][..., cell, cell].sum().backward()
    assert image.grad is not None
    return np.flatnonzero(image.grad[0].sum(dim=(0, 1)).numpy())


def open_shortcuts(network: nn.Module) -> None:
    """Lets both ways of every block count; timm begins with one of them at zero."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)


class Last(nn.Sequential):
    """A chain that gives its map as timm's networks do."""

    def forward(self, image):
        return [super().forward(image)]


class Shortcut(nn.Module):
    """Two ways of different reach, added up in place."""

    def __init__(self, channels):
        super().__init__()
        self.far = nn.Conv2d(channels, channels, 5, padding=2)
        self.near = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        y = self.far(x)
        y += self.near(x)
        return nn.functional.relu(y, inplace=True)


class Gate(nn.Module):
    """Squeeze and excitation, which looks at the whole map and is not counted."""

    def forward(self, x):
        return x * torch.sigmoid(x.mean((2, 3), keepdim=True))


CHAINS = {
    "same": [nn.Conv2d(3, 2, 7, 2, 3), nn.MaxPool2d(3, 2, 1), nn.Conv2d(2, 2, 3, 1, 1)],
    "patches": [nn.Conv2d(3, 2, 4, 4), nn.Conv2d(2, 2, 2, 2)],
    "dilated": [nn.Conv2d(3, 2, 3, 1, 2, dilation=2), nn.AvgPool2d(2), nn.MaxPool2d(2, 2)],
    "uneven": [nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 2, 3, 2), nn.Conv2d(2, 2, 3, 1, 1)],
    "shortcut": [nn.Conv2d(3, 2, 3, 2, 1), Shortcut(2), nn.Conv2d(2, 2, 3, 2, 1)],
}


@pytest.mark.parametrize("layers", CHAINS.values(), ids=CHAINS)
def test_hand_made_chains(layers):
    network = Last(*layers)
    measured = measure_receptive(network, "chain")
    cell = 64 // measured.stride
    pixels = seen_pixels(network, cell, 128)
    assert (pixels[0], pixels[-1]) == pixels_of(measured, cell)


def pixels_of(field: Receptive, cell: int) -> tuple[float, float]:
    """First and last pixel of a cell, as claimed."""
    centre = field.start + cell * field.stride
    return centre - (field.size - 1) / 2, centre + (field.size - 1) / 2


@pytest.mark.parametrize(
    ("name", "stride", "side", "expected"),
    [
        ("resnet18", 16, 256, Receptive(16, 211, 0.0)),
        ("resnet50", 8, 128, Receptive(8, 91, 0.0)),
        ("resnet50", 16, 320, Receptive(16, 267, 0.0)),
        ("resnet18d", 8, 128, None),
    ],
)
def test_networks(name, stride, side, expected):
    backbone = load_backbone(name, stride=stride, weights="random")
    if expected:
        assert backbone.receptive == expected
    cell = side // stride // 2
    pixels = seen_pixels(backbone.network, cell, side)
    assert (pixels[0], pixels[-1]) == pixels_of(backbone.receptive, cell)


def test_a_random_network_answers_around_the_centre_and_nowhere_else():
    backbone = load_backbone("resnet18", weights="random", seed=2)
    open_shortcuts(backbone.network)
    image = torch.randn(1, 3, 288, 288, generator=torch.Generator().manual_seed(0))
    image.requires_grad_()
    row, column = 8, 9
    backbone.network(image)[-1][0, :, row, column].sum().backward()
    energy = image.grad[0].square().sum(dim=0).numpy()
    place = backbone.receptive.centres(18, 18)[row * 18 + column]
    np.testing.assert_array_equal(place, [column * 16, row * 16])
    half = (backbone.receptive.size - 1) // 2
    x, y = place.astype(int)
    inside = np.zeros_like(energy, dtype=bool)
    inside[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1] = True
    assert energy[~inside].max() == 0
    rows, columns = np.mgrid[:288, :288]
    centroid = [(energy * columns).sum() / energy.sum(), (energy * rows).sum() / energy.sum()]
    # Cells lie 16 pixels apart; half of that would already be another cell's place.
    np.testing.assert_allclose(centroid, place, atol=6)


def test_a_gate_over_the_whole_map_is_not_counted():
    plain = Last(nn.Conv2d(3, 2, 3, 2, 1))
    gated = Last(plain[0], Gate())
    assert measure_receptive(gated, "gated") == measure_receptive(plain, "plain")


def test_centres_row_by_row():
    centres = Receptive(4, 9, 1.5).centres(2, 3)
    assert centres.dtype == np.float32
    np.testing.assert_array_equal(
        centres, [[1.5, 1.5], [5.5, 1.5], [9.5, 1.5], [1.5, 5.5], [5.5, 5.5], [9.5, 5.5]]
    )
    assert Receptive(4, 9, 1.5).centres(0, 0).shape == (0, 2)


def test_maps_off_the_grid_are_refused():
    upsampled = Last(nn.Conv2d(3, 2, 3, 2, 1), nn.Upsample(scale_factor=2))
    with pytest.raises(InputError, match="where the features of odd lie"):
        measure_receptive(upsampled, "odd")
