"""Tiny photos, and a page as a parser sees it."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

Photo = Callable[..., Path]


@pytest.fixture
def photo(tmp_path: Path) -> Photo:
    """Write a small photo; equal seeds give equal pixels."""

    def write(seed: int, name: str | None = None, *, size: tuple[int, int] = (30, 40)) -> Path:
        path = tmp_path / (name or f"{seed}.png")
        pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
        path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
        return path

    return write


class Page(HTMLParser):
    """Collect the elements, the text and the style of a page, and check that tags balance."""

    VOID = frozenset({"meta", "link", "input", "br", "img", "path", "circle", "rect", "use"})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.style = ""
        self.scripts: list[str] = []
        self._open: list[str] = []
        self.feed(self.source)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.style += data
        elif self._open and self._open[-1] == "script":
            self.scripts.append(data)
        else:
            self.text += " ".join(data.split()) + "\n"

    def with_class(self, *classes: str) -> list[dict[str, str | None]]:
        """Return the attributes of the elements that have all of the classes."""
        return [a for _, a in self.elements if set(classes) <= set((a.get("class") or "").split())]

    def ids(self) -> list[str]:
        return [a["id"] or "" for _, a in self.elements if "id" in a]
