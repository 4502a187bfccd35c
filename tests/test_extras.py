"""The guard before optional libraries."""

from __future__ import annotations

import json
import sys

import pytest

from steeple.errors import MachineError, MissingExtraError
from steeple.extras import need


def test_gives_the_module():
    assert need("json", "torch") is json


def test_what_is_not_there_is_named_with_its_extra():
    with pytest.raises(MissingExtraError) as raised:
        need("steeple_needs_no_such_thing", "torch")
    assert str(raised.value) == (
        "this needs steeple_needs_no_such_thing, which is not installed; "
        "pip install 'steeple[torch]'"
    )
    assert raised.value.exit_code == MachineError.exit_code == 3


def test_what_is_switched_off_is_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "xml", None)
    monkeypatch.delitem(sys.modules, "xml.dom", raising=False)
    with pytest.raises(MissingExtraError, match=r"needs xml, which is not.*'steeple\[kornia\]'"):
        need("xml.dom", "kornia")


def test_what_is_there_but_broken_says_why(monkeypatch, tmp_path):
    (tmp_path / "broken_library.py").write_text("import another_missing_library")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError, match=r"cannot be loaded \(No module named 'another"):
        need("broken_library", "torch")
