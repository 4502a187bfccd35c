"""Options that several verbs share: amounts of memory, kinds of local features."""

from __future__ import annotations

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from steeple.cli import options
from steeple.cli.options import chosen_local_features, parse_memory
from steeple.errors import InputError


class TestParseMemory:
    @pytest.mark.parametrize(
        ("size", "number"),
        [
            ("4GB", 4 * 10**9),
            ("4gb", 4 * 10**9),
            (" 4 G ", 4 * 10**9),
            ("512MB", 512 * 10**6),
            ("2048KB", 2048 * 10**3),
            ("1.5TB", 1_500_000_000_000),
            ("1MiB", 1 << 20),
            ("3GiB", 3 << 30),
            ("0.5gib", 1 << 29),
            ("2097152", 1 << 21),
            ("2097152B", 1 << 21),
        ],
    )
    def test_what_people_write(self, size: str, number: int) -> None:
        assert parse_memory(size) == number

    @given(st.integers(1, 10**6), st.sampled_from([("M", 2), ("G", 3), ("T", 4)]))
    def test_thousands_and_1024s(self, number: int, unit: tuple[str, int]) -> None:
        letter, power = unit
        assert parse_memory(f"{number}{letter}iB") == number * 1024**power
        if number > 1:
            assert parse_memory(f"{number}{letter}B") == number * 1000**power

    @pytest.mark.parametrize(
        "size",
        [
            "",
            "GB",
            "4XB",
            "-4GB",
            "4 GB extra",
            "4,5GB",
            "1e9",
            "nan",
            "inf",
            "9" * 400,
            "4iB",
            "٤GB",
        ],
    )
    def test_what_is_no_amount(self, size: str) -> None:
        with pytest.raises(InputError, match="no amount of memory; write 512MB, 4GB or 4GiB"):
            parse_memory(size)

    @pytest.mark.parametrize("size", ["0", "4", "1023KiB", "0.5MB"])
    def test_too_little(self, size: str) -> None:
        with pytest.raises(InputError, match="too little"):
            parse_memory(size)


class TestMemoryOption:
    @pytest.fixture
    def app(self) -> typer.Typer:
        app = typer.Typer()

        @app.command()
        def show(memory: options.Memory = 1 << 28) -> None:
            typer.echo(memory)

        return app

    def test_given_and_not_given(self, app: typer.Typer) -> None:
        assert CliRunner().invoke(app, ["--memory", "4GB"]).output == "4000000000\n"
        assert CliRunner().invoke(app, []).output == f"{1 << 28}\n"

    def test_says_what_is_wrong(self, app: typer.Typer) -> None:
        done = CliRunner().invoke(app, ["--memory", "lots"], env={"COLUMNS": "200"})
        assert done.exit_code == 2
        assert "'lots' is no amount of memory; write 512MB, 4GB or 4GiB" in done.output


class TestLocalFeatures:
    def test_what_they_mean_together(self) -> None:
        assert chosen_local_features(None, none=False) == "sift"
        assert chosen_local_features("disk", none=False) == "disk"
        assert chosen_local_features(None, none=True) is None
        with pytest.raises(InputError, match="exclude each other"):
            chosen_local_features("disk", none=True)
