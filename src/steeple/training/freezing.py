"""Batch norms that stay as they are while the rest of a network learns.

Their statistics and scales were learned from millions of photos in large batches; a few small
batches of another kind would only blur them. The published recipe freezes those of the backbone.
"""

from __future__ import annotations

from types import MethodType

from torch import nn

__all__ = ["freeze_batch_norm"]


def freeze_batch_norm(module: nn.Module) -> int:
    """Freezes every batch norm below a module: evaluation mode, from now on, and no gradients.

    Later calls of ``train()`` leave them as they are. State dicts keep their names.

    Args:
        module: whose batch norms are frozen.

    Returns:
        How many there are.
    """
    found = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    for norm in found:
        norm.eval()
        norm.requires_grad_(False)
        # An attribute of the module itself, which goes before the method of its class.
        object.__setattr__(norm, "train", MethodType(_stay, norm))
    return len(found)


def _stay(norm: nn.Module, mode: bool = True) -> nn.Module:  # noqa: ARG001 - as nn.Module.train
    """What `nn.Module.train` of a frozen batch norm does: nothing."""
    return norm
