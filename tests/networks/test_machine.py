"""Where networks run: threads are left alone at home and cut to one in workers."""

from __future__ import annotations

import sys

import pytest
import torch
from loky import ProcessPoolExecutor

from steeple.errors import MissingExtraError
from steeple.networks.machine import choose_device


def test_a_device_that_is_there():
    assert choose_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_threads_at_home_are_left_alone():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        choose_device()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_worker_gets_one_thread():
    # Its own environment allows two, so that one is our doing.
    with ProcessPoolExecutor(max_workers=1, env={"OMP_NUM_THREADS": "2"}) as executor:
        assert executor.submit(torch.get_num_threads).result() == 2
        executor.submit(choose_device).result()
        assert executor.submit(torch.get_num_threads).result() == 1


def test_without_pytorch_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'steeple\[torch\]'"):
        choose_device()
