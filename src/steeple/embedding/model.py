"""A model: a network, how photos are prepared for it, and where it comes from.

Needs the extra ``torch``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from steeple.embedding.card import Card
from steeple.embedding.network import Architecture, EmbeddingNetwork, new_network
from steeple.embedding.preprocessing import ONE, Colours, Scales
from steeple.errors import MachineError
from steeple.networks.machine import choose_device
from steeple.networks.trunk import load_imagenet

__all__ = ["PRECISIONS", "Model", "imagenet_model", "on_device"]

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""What the network computes in, by name; descriptors are float32 in any case."""


@dataclass(frozen=True)
class Model:
    """All that is needed to describe photos.

    Args:
        network: in eval mode.
        card: where it comes from.
        colours: what it expects.
        scales: at which sizes a photo is looked at.
        max_side: long side, in pixels, of a photo at scale 1.
    """

    network: EmbeddingNetwork
    card: Card
    colours: Colours = Colours()  # noqa: RUF009 - frozen
    scales: Scales = ONE
    max_side: int = 512

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return next(self.network.parameters()).device

    @cached_property
    def _normal(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation of the colours, 0..255, on the device: sent once, as that waits."""
        with torch.inference_mode(False):
            mean = torch.tensor(self.colours.mean, device=self.device) * 255
            return mean, torch.tensor(self.colours.std, device=self.device) * 255

    def pixels(self, images: npt.NDArray[np.uint8]) -> torch.Tensor:
        """What the network takes, (B, 3, H, W) channels last, of (B, H, W, 3) uint8 RGB."""
        pixels = torch.from_numpy(np.ascontiguousarray(images))
        if self.device.type == "cuda":
            # From pinned memory, the copy runs while the GPU works on the batch before.
            pixels = pixels.pin_memory().to(self.device, non_blocking=True)
        mean, std = self._normal
        if self.colours.channels == "BGR":
            pixels = pixels.flip(-1)
        return ((pixels - mean) / std).permute(0, 3, 1, 2)

    @torch.inference_mode()
    def describe(self, images: npt.NDArray[np.uint8], precision: str = "float32") -> torch.Tensor:
        """Descriptors of images of one size, at one scale.

        Args:
            images: (B, H, W, 3) uint8 RGB.
            precision: one of `PRECISIONS`.

        Returns:
            (B, D) float32 on the device of the network; raw, unless the scales of this model are
            normalised one by one.
        """
        half = PRECISIONS[precision]
        # Each weight is used once: a cache of what they are in half precision is no use, and it
        # would be shared by the threads of `run_batches`.
        with torch.autocast(
            self.device.type, dtype=half, enabled=half != torch.float32, cache_enabled=False
        ):
            raw = self.network.raw(self.pixels(images))
        return functional.normalize(raw, dim=1) if self.scales.normalise else raw


def imagenet_model(backbone: str) -> Model:
    """A backbone with its published weights, pooled by GeM and nothing learned behind it.

    Args:
        backbone: timm's name.

    Raises:
        InputError: if there is no such backbone, or nobody has published weights of it.
        MachineError: if they cannot be downloaded.
    """
    network = new_network(Architecture(backbone, dimension=None))
    trunk = network.trunk
    load_imagenet(trunk)
    card = Card(
        name=backbone,
        source=str(trunk.config.get("hf_hub_id") or ""),
        licence=str(trunk.config.get("license") or ""),
    )
    return Model(on_device(network), card, Colours(trunk.mean, trunk.std))


def on_device(network: EmbeddingNetwork) -> EmbeddingNetwork:
    """A network where it runs, in eval mode, and in the layout that convolutions like.

    Raises:
        MachineError: if the GPU has too little memory for it.
    """
    try:
        network.eval().to(choose_device())
        network.to(memory_format=torch.channels_last)
    except torch.OutOfMemoryError as error:
        raise MachineError(
            f"the GPU has too little memory for {network.architecture.backbone}; end what else "
            "uses it, or hide it: CUDA_VISIBLE_DEVICES="
        ) from error
    return network
