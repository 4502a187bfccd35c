"""Weights: from files of several kinds, from the hub, and every way they can be wrong."""

from __future__ import annotations

import pickle
import socket

import huggingface_hub
import pytest
import timm
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import save_file

from steeple.errors import InputError, MachineError
from steeple.networks.backbone import load_backbone
from steeple.networks.weights import read_weights


def first(backbone):
    return next(backbone.network.parameters())


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": {f"module.{name}": value for name, value in state.items()}},
    ],
    ids=["plain", "nested", "parallel"],
)
def test_files_of_pytorch(whole, tmp_path, wrap):
    path = tmp_path / "weights.pth"
    torch.save(wrap(whole.state_dict()), path)
    backbone = load_backbone("resnet18", weights=str(path))
    assert torch.equal(first(backbone), whole.conv1.weight)


def test_networks_whose_stages_timm_renames(tmp_path):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        network = timm.create_model("convnext_atto")
    save_file(network.state_dict(), tmp_path / "convnext.safetensors")
    backbone = load_backbone("convnext_atto", weights=str(tmp_path / "convnext.safetensors"))
    ours = backbone.network.state_dict()["stages_1.blocks.0.mlp.fc1.weight"]
    assert torch.equal(ours, network.state_dict()["stages.1.blocks.0.mlp.fc1.weight"])


class Trap:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("the file was run",)


def test_nothing_in_a_file_is_run(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"conv1.weight": Trap()}, path)
    with pytest.raises(InputError, match="more than weights"):
        load_backbone("resnet18", weights=str(path))


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("data", [b"", b"no weights at all", pickle.dumps([1, 2])])
def test_files_of_something_else(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as raised:
        read_weights(tmp_path / name)
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_without_tensors(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "weights.pth")
    with pytest.raises(InputError, match="holds no weights"):
        read_weights(tmp_path / "weights.pth")


def spoil(state, how):
    state = dict(state)
    if how == "missing":
        del state["layer2.0.conv1.weight"], state["layer3.1.bn1.bias"]
    elif how == "shape":
        state["conv1.weight"] = torch.zeros(64, 3, 3, 3)
    else:
        state["bn1.running_var"] = torch.full((64,), torch.nan)
    return state


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("missing", "layer2.0.conv1.weight and 1 more missing"),
        ("shape", "conv1.weight is of shape (64, 3, 3, 3)"),
        ("nan", "bn1.running_var is not finite"),
    ],
)
def test_weights_that_do_not_fit(whole, tmp_path, how, words):
    path = tmp_path / "weights.safetensors"
    save_file(spoil(whole.state_dict(), how), path)
    with pytest.raises(InputError) as raised:
        load_backbone("resnet18", weights=str(path))
    assert str(raised.value).startswith(f"{path}: {words}")


def test_a_file_that_is_not_there():
    with pytest.raises(InputError, match=r"nix\.pth: no such file"):
        load_backbone("resnet18", weights="nix.pth")


class TestPublished:
    """What is downloaded. No test here goes out."""

    @pytest.fixture
    def hub(self, monkeypatch):
        """Replaces the hub by a function; returns the calls made."""
        calls = []

        def replace(answer):
            def download(repository, file, *, local_files_only=False):
                calls.append((repository, file, local_files_only))
                return answer(local_files_only)

            monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
            return calls

        monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: [])
        return replace

    def test_a_file_that_was_downloaded_before(self, hub, weights, whole):
        calls = hub(lambda local: str(weights))
        assert torch.equal(first(load_backbone("resnet18.tv_in1k")), whole.conv1.weight)
        assert calls == [("timm/resnet18.tv_in1k", "model.safetensors", True)]

    def test_a_file_that_is_downloaded_now(self, hub, weights, whole):
        def answer(local):
            if local:
                raise LocalEntryNotFoundError("not here")
            return str(weights)

        calls = hub(answer)
        assert torch.equal(first(load_backbone("resnet18")), whole.conv1.weight)
        assert [local for *_, local in calls] == [True, False]

    def test_no_network_is_said_at_once(self, hub, monkeypatch):
        def answer(local):
            assert local, "it went out although no name can be looked up"
            raise LocalEntryNotFoundError("not here")

        def unknown(*arguments):
            raise socket.gaierror(-2, "Name or service not known")

        hub(answer)
        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        monkeypatch.setattr("urllib.request.getproxies", dict)
        with pytest.raises(MachineError) as raised:
            load_backbone("resnet18")
        assert "timm/resnet18" in str(raised.value)
        assert "give a file of them" in str(raised.value)
        assert "\n" not in str(raised.value)
        assert raised.value.exit_code == 3

    def test_a_download_that_breaks_off(self, hub):
        def answer(local):
            raise LocalEntryNotFoundError("not here") if local else ConnectionError("broken\noff")

        hub(answer)
        with pytest.raises(MachineError, match=r"cannot be downloaded \(broken off\)"):
            load_backbone("resnet18")

    def test_networks_of_which_nobody_published_weights(self, monkeypatch):
        create = timm.create_model

        def without(*arguments, **settings):
            network = create(*arguments, **settings)
            network.pretrained_cfg = {}
            return network

        monkeypatch.setattr(timm, "create_model", without)
        with pytest.raises(InputError, match="no weights of resnet18 are published"):
            load_backbone("resnet18")
