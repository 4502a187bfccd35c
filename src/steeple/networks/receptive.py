"""Which pixels the cells of a feature map look at.

Measured rather than written down: one small image goes through the network, and every convolution
and every pooling it meets says how far it reaches. So it holds for any network, not for a list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["Receptive", "measure_receptive"]

_SIDE = 128  # pixels of the image sent through; a multiple of every stride there is


@dataclass(frozen=True)
class Receptive:
    """Where the receptive fields of a feature map lie; the same along x and y.

    What a gate adds that looks at the whole map (squeeze-and-excitation) is not counted.

    Args:
        stride: pixels from one cell to the next.
        size: pixels that a cell sees, along one side.
        start: the centre of the first cell, in pixels; the first pixel is centred at 0.
    """

    stride: int
    size: int
    start: float

    def centres(self, height: int, width: int) -> npt.NDArray[np.float32]:
        """The centres of the cells of a map, row by row.

        Args:
            height: cells.
            width: cells.

        Returns:
            (height * width, 2) float32: x, y in pixels.
        """
        y, x = np.divmod(np.arange(height * width), max(width, 1))
        return np.stack([x, y], axis=1).astype(np.float32) * self.stride + np.float32(self.start)


@dataclass(frozen=True)
class _Span:
    """What cell 0 of a map sees, its first and its last pixel, and the step to cell 1."""

    first: int
    last: int
    stride: int

    def slide(self, kernel: int, stride: int, padding: int) -> _Span:
        """What cell 0 sees after a window has slid over the map."""
        first = self.first - padding * self.stride
        last = self.last + (kernel - 1 - padding) * self.stride
        return _Span(first, last, self.stride * stride)

    def join(self, other: _Span) -> _Span:
        """What cell 0 sees of two maps put together."""
        stride = max(self.stride, other.stride)
        return _Span(min(self.first, other.first), max(self.last, other.last), stride)


def measure_receptive(network: torch.nn.Module, name: str) -> Receptive:
    """Sends an image through a network and watches.

    Args:
        network: takes (1, 3, H, W) images; its last output is the map.
        name: what to call it in messages.

    Raises:
        InputError: if the network takes images of one size only, or its cells lie on no grid.
    """
    import torch

    device = next(network.parameters()).device
    image = torch.zeros(1, 3, _SIDE, _SIDE, device=device)
    watch = _watch(image)
    try:
        with torch.no_grad(), watch:
            found = network(image)[-1]
    except (AssertionError, RuntimeError) as error:
        raise InputError(
            f"{name} does not take images of any size ({' '.join(str(error).split())}); "
            "choose a convolutional network, such as resnet50"
        ) from error
    span = watch.spans.get(id(found))
    if span is None or found.shape[-1] * span.stride != _SIDE:
        raise InputError(
            f"where the features of {name} lie in the image cannot be told; "
            "choose a convolutional network, such as resnet50"
        )
    return Receptive(span.stride, span.last - span.first + 1, (span.first + span.last) / 2)


def _watch(image: torch.Tensor) -> Any:
    """A context that knows, in `spans`, what each tensor computed inside sees of the image."""
    import torch
    from torch.utils import _python_dispatch
    from torch.utils._pytree import tree_leaves

    mode: Any = _python_dispatch.TorchDispatchMode

    class Watch(mode):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.spans = {id(image): _Span(0, 0, 1)}
            self.alive = [image]  # an id belongs to one tensor only as long as that lives

        def __torch_dispatch__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = function(*args, **(kwargs or {}))
            span = None
            for value in tree_leaves((args, kwargs)):
                if isinstance(value, torch.Tensor) and (seen := self.spans.get(id(value))):
                    span = span.join(seen) if span else seen
            if span is None:
                return result
            operation = function.overloadpacket._qualified_op_name.removeprefix("aten::")
            span = span.slide(*_window(operation, args))
            for value in tree_leaves(result):
                if isinstance(value, torch.Tensor):
                    self.spans[id(value)] = span
                    self.alive.append(value)
            return result

    return Watch()


def _window(operation: str, args: Any) -> tuple[int, int, int]:
    """Kernel, stride and padding of an operation, in cells; (1, 1, 0) if it slides no window."""

    def last(place: int, default: int) -> int:
        value = args[place] if place < len(args) else default
        if isinstance(value, list | tuple):
            return int(value[-1]) if value else default
        return int(value)

    if operation in ("convolution", "conv2d"):
        reach = last(5, 1) * (int(args[1].shape[-1]) - 1)  # arguments: dilation, weight
        return reach + 1, last(3, 1), last(4, 0)
    if operation in ("max_pool2d", "max_pool2d_with_indices", "avg_pool2d"):
        kernel = last(1, 1)
        # Without a stride, windows lie side by side.
        return kernel, last(2, kernel), last(3, 0)
    if operation == "constant_pad_nd":
        return 1, 1, int(args[1][0])
    return 1, 1, 0
