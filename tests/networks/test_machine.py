"""Where networks run: threads at home and in workers, and batches on several of them."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from loky import ProcessPoolExecutor

from steeple.errors import MissingExtraError
from steeple.networks.machine import choose_device, run_batches


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


def _threads_of_torch(_: int) -> tuple[int, str]:
    torch.ones(64, 64) @ torch.ones(64, 64)
    return torch.get_num_threads(), threading.current_thread().name


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
class TestBatches:
    cpu = torch.device("cpu")

    def test_a_batch_per_thread_each_on_one(self):
        meeting = threading.Barrier(2, timeout=60)

        def work(number):
            meeting.wait()  # only two at a time get past
            return number, *_threads_of_torch(number)

        found = run_batches(work, range(6), self.cpu)
        assert [number for number, _, _ in found] == list(range(6))
        assert {threads for _, threads, _ in found} == {1}
        assert len({name for _, _, name in found}) == 2
        assert threading.main_thread().name not in {name for _, _, name in found}

    def test_this_thread_and_new_ones_keep_theirs(self):
        run_batches(_threads_of_torch, range(4), self.cpu)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(_threads_of_torch, 0).result()[0] == 2
        assert torch.get_num_threads() == 2

    @pytest.mark.parametrize(("count", "device"), [(1, "cpu"), (0, "cpu"), (6, "cuda")])
    def test_a_gpu_or_too_few_batches_are_served_in_turn(self, count, device):
        found = run_batches(_threads_of_torch, range(count), torch.device(device))
        assert found == [(2, threading.current_thread().name)] * count

    def test_an_error_ends_it(self):
        done = []

        def work(number):
            if number == 0:
                raise ValueError("no")
            time.sleep(0.05)
            done.append(number)

        with pytest.raises(ValueError, match="no"):
            run_batches(work, range(100), self.cpu)
        assert len(done) < 50
