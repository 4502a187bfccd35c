"""FishNet: a network that goes down, up and down again, keeping features of every resolution.

After Sun et al., "FishNet: A Versatile Backbone for Image, Region, and Pixel Level Prediction",
NeurIPS 2018. The tail is an ordinary network down to stride 32, the body takes its features back up
to stride 4, and the head down again. Body and head throw nothing away: at every step, features of
the same resolution from before are put beside those that come along, so that gradients find a way
from the end of the head back to early layers along shortcuts alone.

Sizes that 32 does not divide: halving rounds up, as convolutions with padding do, so that the last
row and column are kept; when the body doubles what was rounded up, the row or column too many is
cropped. Cells so stay where they are in the image. Where 32 divides the size, nothing changes.

Parameters bear the names of the authors' own code (kevin-ssy/FishNet on GitHub), numbers included,
so that weights trained with it can be read: ``fish.fish.7.1.0.conv2`` is of the eighth stage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

__all__ = ["FishNet", "fishnet150", "fishnet_names"]

_STEM = 64  # channels where the tail begins, at stride 4
_TAIL = 128, 256, 512  # channels of its stages, which end at strides 8, 16 and 32
_BODY = 512, 384, 256  # channels its stages refine to, before others are put beside them
_BRANCHES = 2, 1, 0, 6, 5, 4  # whose output each stage of body and head puts beside; 0 is the stem

_SQUEEZE = 16  # how many times fewer channels a gate looks through

# Where an older version of the authors' code cut the layers that squeeze channels: after the first
# activation rather than after the second. The last is of the classifier, which is not read.
_OLD_MARK = "fish.fish.3.1.0.weight"
_OLD_NAMES = {
    "fish.fish.3.1.0.": "fish.fish.3.0.2.",
    "fish.fish.3.1.1.": "fish.fish.3.0.3.",
    "fish.fish.3.1.3.": "fish.fish.3.1.",
    "fish.fish.9.4.0.": "fish.fish.9.3.2.",
    "fish.fish.9.4.1.": "fish.fish.9.3.3.",
    "fish.fish.9.4.4.": "fish.fish.9.4.1.",
}


class FishNet(nn.Module):
    """A FishNet without its classifier; weights are random, as He et al. (2015) draw them.

    Args:
        blocks: residual blocks of each of the ten stages: three of the tail, one between tail and
            body, three of the body, three of the head.
        transfers: residual blocks that what is put beside goes through, for each of the last six.

    Attributes:
        num_features: C, channels of the map.

    Raises:
        ValueError: if there are not ten and six numbers.
    """

    def __init__(self, blocks: Sequence[int], transfers: Sequence[int]) -> None:
        super().__init__()
        self.conv1 = _convolve(3, _STEM // 2, stride=2)
        self.conv2 = _convolve(_STEM // 2, _STEM // 2)
        self.conv3 = _convolve(_STEM // 2, _STEM)
        self.pool1 = nn.MaxPool2d(3, stride=2, padding=1)
        self.fish = _Fish(blocks, transfers)
        self.num_features = self.fish.num_features
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The last feature map: what the classifier would take the mean of.

        Args:
            images: (B, 3, H, W) float32, colours normalised as those of ImageNet; 64 pixels a side
                or more.

        Returns:
            (B, C, ceil(H / 32), ceil(W / 32)) float32, 0 or more.
        """
        stem = self.pool1(self.conv3(self.conv2(self.conv1(images))))
        maps: torch.Tensor = self.fish(stem)
        return maps


def fishnet150() -> FishNet:
    """FishNet-150: 23.9 million parameters, 24.96 with a classifier of 1000 classes."""
    return FishNet(blocks=(2, 4, 8, 4, 2, 2, 2, 2, 2, 4), transfers=(2, 2, 2, 2, 2, 4))


def fishnet_names(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The authors' weights under the names of `FishNet`, whichever of their versions wrote them.

    Args:
        weights: name -> tensor, as `steeple.networks.weights.read_weights` gives them. Those that
            have the names already are only copied.

    Returns:
        Name -> the same tensor. The classifier is still there, as ``fish.fish.9.4.1``.
    """
    if _OLD_MARK not in weights:  # some old names mean something else in the newer version
        return dict(weights)
    return {_renamed(name): value for name, value in weights.items()}


def _renamed(name: str) -> str:
    for old, new in _OLD_NAMES.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


class _Fish(nn.Module):
    """Tail, body and head: (B, 64, h, w) at stride 4 in, (B, C, h / 8, w / 8) out."""

    def __init__(self, blocks: Sequence[int], transfers: Sequence[int]) -> None:
        super().__init__()
        if len(blocks) != 10 or len(transfers) != 6:
            raise ValueError(
                f"a FishNet has 10 stages and 6 transfers, not {len(blocks)} and {len(transfers)}"
            )
        stages: list[nn.Module] = []
        channels = [_STEM]  # of the output of each stage, the stem's before them
        for out, count in zip(_TAIL, blocks[:3], strict=True):
            stages.append(nn.Sequential(_refine(channels[-1], out, count), _halve()))
            channels.append(out)
        stages.append(_Bridge(channels[-1], blocks[3]))
        channels.append(channels[-1])
        for step, (branch, count, transfer) in enumerate(
            zip(_BRANCHES, blocks[4:], transfers, strict=True)
        ):
            refined, beside = channels[-1], channels[branch]
            if step < len(_BODY):
                reduced = _BODY[step]
                refine = _refine(refined, reduced, count, dilation=2**step, reduce=True)
                refined, resample = reduced, _double()
            else:
                refine, resample = _refine(refined, refined, count), _halve()
            stages.append(_Merge([refine, _refine(beside, beside, transfer), resample]))
            channels.append(refined + beside)
        stages[-1] = _Merge([*stages[-1].children(), _squeeze(channels[-1])])
        self.num_features = channels[-1] // 2
        self.fish = nn.ModuleList(stages)

    def forward(self, stem: torch.Tensor) -> torch.Tensor:
        tail = len(self.fish) - len(_BRANCHES)  # with the bridge
        maps = [stem]
        for stage in list(self.fish)[:tail]:
            maps.append(stage(maps[-1]))
        for stage, branch in zip(list(self.fish)[tail:], _BRANCHES, strict=True):
            maps.append(stage(maps[-1], maps[branch]))
        return maps[-1]


class _Merge(nn.ModuleList):
    """A stage of body or head; holds what refines, what transfers, what resamples, what follows."""

    def forward(self, trunk: torch.Tensor, branch: torch.Tensor) -> torch.Tensor:
        refine, transfer, resample, *after = self
        beside: torch.Tensor = transfer(branch)
        height, width = beside.shape[-2:]
        resampled = resample(refine(trunk))[..., :height, :width]
        maps = torch.cat([resampled, beside], dim=1)
        for layers in after:
            maps = layers(maps)
        return maps


class _Bridge(nn.ModuleList):
    """Between tail and body: residual blocks, gated by what the whole image shows.

    Squeeze-and-excitation, but the gate is also added, not only multiplied by.
    """

    def __init__(self, channels: int, count: int) -> None:
        wide = 2 * channels
        gate = nn.Sequential(
            nn.BatchNorm2d(wide),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(wide, channels // _SQUEEZE, kernel_size=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // _SQUEEZE, channels, kernel_size=1),
            nn.Sigmoid(),
        )
        widen = nn.Conv2d(channels // 2, wide, kernel_size=1)
        # The gate is nested once more than it needs to be, for the sake of its name.
        super().__init__(
            [_squeeze(channels), widen, _refine(wide, channels, count), nn.Sequential(gate)]
        )

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        squeeze, widen, refine, gate = self
        wide = widen(squeeze(maps))
        opened: torch.Tensor = gate(wide)
        refined: torch.Tensor = refine(wide)
        return refined * opened + opened


class _Bottleneck(nn.Module):
    """A residual block with activations before convolutions (He et al., 2016).

    Args:
        channels: in.
        out: channels out.
        dilation: of the 3 x 3 convolution.
        reduce: whether the shortcut sums adjacent channels, k to one, where there are too many:
            unlike a convolution, a sum passes gradients on as they are. Elsewhere it convolves.
    """

    def __init__(self, channels: int, out: int, *, dilation: int, reduce: bool) -> None:
        super().__init__()
        narrow = out // 4
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, narrow, kernel_size=1, bias=False)
        self.bn2 = nn.BatchNorm2d(narrow)
        self.conv2 = nn.Conv2d(
            narrow, narrow, kernel_size=3, padding=dilation, dilation=dilation, bias=False
        )
        self.bn3 = nn.BatchNorm2d(narrow)
        self.conv3 = nn.Conv2d(narrow, out, kernel_size=1, bias=False)
        self.shortcut: nn.Module = nn.Identity()
        if channels != out:
            self.shortcut = _SumChannels(channels // out) if reduce else _project(channels, out)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        # Batch normalisation needs its output no more, so that ReLU may overwrite it.
        found = self.conv1(functional.relu(self.bn1(maps), inplace=True))
        found = self.conv2(functional.relu(self.bn2(found), inplace=True))
        found = self.conv3(functional.relu(self.bn3(found), inplace=True))
        result: torch.Tensor = self.shortcut(maps) + found
        return result


class _SumChannels(nn.Module):
    """Sums each k adjacent channels: (B, k * C, h, w) -> (B, C, h, w)."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        images, channels, height, width = maps.shape
        grouped = maps.view(images, channels // self.k, self.k, height, width)
        return grouped.sum(dim=2)


def _refine(
    channels: int, out: int, count: int, *, dilation: int = 1, reduce: bool = False
) -> nn.Sequential:
    """Residual blocks, the first of which changes the number of channels."""
    widths = [channels] + [out] * (count - 1)
    return nn.Sequential(
        *(_Bottleneck(width, out, dilation=dilation, reduce=reduce) for width in widths)
    )


def _convolve(channels: int, out: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, kernel_size=3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )


def _project(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, out, kernel_size=1, bias=False),
    )


def _squeeze(channels: int) -> nn.Sequential:
    """Half the channels, with activations before and after."""
    half = channels // 2
    return nn.Sequential(*_project(channels, half), nn.BatchNorm2d(half), nn.ReLU(inplace=True))


def _halve() -> nn.Module:
    return nn.MaxPool2d(2, stride=2, ceil_mode=True)


def _double() -> nn.Module:
    return nn.Upsample(scale_factor=2)
