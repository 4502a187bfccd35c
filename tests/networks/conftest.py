"""A whole network of timm's, and its weights in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file


@pytest.fixture(scope="session")
def whole() -> Any:
    """All of a small ResNet, the classifier included, with weights of seed 5."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return timm.create_model("resnet18").eval()


@pytest.fixture(scope="session")
def weights(whole: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its weights as .safetensors."""
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file(whole.state_dict(), path)
    return path
