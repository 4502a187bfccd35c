"""Checkpoints as their projects would save them, and what those projects would say of a photo.

Nothing of steeple is used here: networks are torchvision's, and the rest is written out.
"""

from __future__ import annotations

import numpy as np
import torch
import torchvision
from torch import nn

RGB_MEAN, RGB_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def resnet(depth: int, seed: int = 0) -> nn.Module:
    """A ResNet of torchvision with random weights and statistics, in eval mode."""
    torch.manual_seed(seed)
    network = getattr(torchvision.models, f"resnet{depth}")(weights=None)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.7, 1.4)
            nn.init.uniform_(module.weight, 0.3, 0.9)
            nn.init.normal_(module.bias, std=0.1)
    return network.eval()


def numbers(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def photo(seed: int, height: int = 64, width: int = 96) -> np.ndarray:
    """(height, width, 3) uint8 RGB, smooth in places."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (height // 8, width // 8, 3))
    fine = random.integers(-30, 31, (height, width, 3))
    return np.clip(np.kron(coarse, np.ones((8, 8, 1))) + fine, 0, 255).astype(np.uint8)


def pixels(image: np.ndarray, mean=RGB_MEAN, std=RGB_STD, *, bgr: bool = False) -> torch.Tensor:
    """(1, 3, H, W): what the network is given; mean and std in the order of its channels."""
    planes = [image[:, :, channel].astype(np.float64) / 255 for channel in range(3)]
    planes = planes[::-1] if bgr else planes
    normal = [(plane - m) / s for plane, m, s in zip(planes, mean, std, strict=True)]
    return torch.tensor(np.stack(normal)[None], dtype=torch.float32)


@torch.no_grad()
def pooled(network: nn.Module, given: torch.Tensor, p) -> torch.Tensor:
    """(C,) float64: GeM of the last map of torchvision's ResNet."""
    x = network.maxpool(network.relu(network.bn1(network.conv1(given))))
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        x = stage(x)
    cells = x[0].double().flatten(1).clamp(min=1e-6)
    p = torch.as_tensor(p, dtype=torch.float64)
    return ((cells ** p.reshape(-1, 1)).sum(dim=1) / cells.shape[1]) ** (1 / p.reshape(-1))


def unit(vector: torch.Tensor) -> torch.Tensor:
    return vector / vector.pow(2).sum().sqrt()


def cirtorch(network: nn.Module, *, p=3.0, whiten: nn.Linear | None = None, **meta) -> dict:
    """As its training script saves: the network is the list of the children of torchvision's."""
    model = nn.Module()
    model.features = nn.Sequential(*list(network.children())[:-2])
    model.pool = nn.Module()
    model.pool.p = nn.Parameter(torch.as_tensor(p, dtype=torch.float32).reshape(-1))
    if whiten is not None:
        model.whiten = whiten
    about = {
        "architecture": "resnet18",
        "local_whitening": False,
        "pooling": "gem",
        "regional": False,
        "whitening": whiten is not None,
        "mean": list(RGB_MEAN),
        "std": list(RGB_STD),
        "outputdim": 512,
    }
    return {"meta": about | meta, "state_dict": model.state_dict()}


def naver(network: nn.Module, fc: nn.Linear, *, p: float = 3.0, **options) -> dict:
    """As deep-image-retrieval saves a network that was trained on several GPUs."""
    weights = {
        name: value for name, value in network.state_dict().items() if not name.startswith("fc.")
    }
    weights |= {"adpool.p": torch.full((1,), p), "fc.weight": fc.weight, "fc.bias": fc.bias}
    return {
        "epoch": 3,
        "model_options": {"arch": "resnet18_rmac", "out_dim": 512, "pooling": "gem"} | options,
        "state_dict": {f"module.{name}": value.detach() for name, value in weights.items()},
        "preprocess": {"mean": list(RGB_MEAN), "std": list(RGB_STD), "input_size": 224},
    }


def pycls(network: nn.Module, prefix: str = "encoder_q.") -> dict[str, torch.Tensor]:
    """The names that pycls gives to the modules of a ResNet."""
    modules = {"stem.conv": network.conv1, "stem.bn": network.bn1}
    for stage in range(1, 5):
        for block, inner in enumerate(getattr(network, f"layer{stage}"), start=1):
            place = f"s{stage}.b{block}"
            if inner.downsample is not None:
                modules[f"{place}.proj"], modules[f"{place}.bn"] = inner.downsample
            modules[f"{place}.f.a"], modules[f"{place}.f.a_bn"] = inner.conv1, inner.bn1
            modules[f"{place}.f.b"], modules[f"{place}.f.b_bn"] = inner.conv2, inner.bn2
            if hasattr(inner, "conv3"):
                modules[f"{place}.f.c"], modules[f"{place}.f.c_bn"] = inner.conv3, inner.bn3
    return {
        f"{prefix}{name}.{inner}": value
        for name, module in modules.items()
        for inner, value in module.state_dict().items()
    }
