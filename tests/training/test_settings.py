"""Settings: the paper's where nobody says otherwise, and every wrong one named."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields

import pytest

from steeple.errors import InputError
from steeple.training.augmentation import AMOUNTS
from steeple.training.heads import HEADS
from steeple.training.settings import AUGMENTATIONS, Settings


def groups():
    return {part.name: part.default for part in fields(Settings)}


def names(group):
    return [part.name for part in fields(groups()[group])]


def test_without_a_file_they_are_those_of_the_paper():
    settings = Settings.read(None)
    assert settings == Settings()
    model, head, schedule = settings.model, settings.head, settings.schedule
    assert (model.backbone, model.dimension, model.p, model.learn_p) == ("resnet101", 512, 3, False)
    assert (head.kind, head.scale, head.margin, head.sampled) == ("arcface", 30, 0.3, 0)
    assert (settings.data.side, settings.data.augmentation) == (512, "soft")
    assert (schedule.epochs, schedule.batch, schedule.freeze_batch_norm) == (5, 32, True)
    assert (schedule.rate, schedule.last_rate) == (1e-3, 3e-6)
    assert (schedule.momentum, schedule.decay) == (0.9, 1e-5)


def test_a_file_changes_what_it_names(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(
        '[model]\nbackbone = "resnet18"\n[schedule]\nrate = 1  # whole\n', encoding="utf-8-sig"
    )
    settings = Settings.read(path)
    assert settings == Settings().merged(backbone="resnet18", rate=1.0)
    assert isinstance(settings.schedule.rate, float)
    assert Settings.read(str(path)) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[schedule]\nepoch = 3", r"'epoch' is not a setting of \[schedule\]; did you mean epochs"),
        ("[shedule]\nepochs = 3", "'shedule' is not a table of settings; did you mean schedule"),
        ("[data]\nq = 3", "there are side, augmentation"),
        ("epochs = 3", "'epochs' is not a table"),
        ("run = 3", r"run is 3; it must be a table, \[run\]"),
        ("[schedule]\nepochs = 2.5", "schedule.epochs is 2.5; it must be a whole number"),
        ("[schedule]\nepochs = true", "schedule.epochs is True; it must be a whole number"),
        ("[schedule]\nrate = '1e-3'", "schedule.rate is '1e-3'; it must be a number"),
        ("[schedule]\nrate = true", "schedule.rate is True; it must be a number"),
        ("[model]\nlearn_p = 1", "model.learn_p is 1; it must be true or false"),
        ("[model]\nbackbone = 18", "model.backbone is 18; it must be a text"),
        ("[model]\nbackbone = ''", "model.backbone is ''; it must be a text of one"),
        ("[data]\naugmentation = 'hard'", "data.augmentation is 'hard'; it must be one of none,"),
        ("[schedule]\nprecision = 'float8'", "one of float32, bfloat16, float16"),
        ("[head]\nkind = 'arc'", "one of arcface, cosface, softmax, subcentre-arcface"),
        ("[schedule]\nbatch = 1", "schedule.batch is 1; it must be 2 or more"),
        ("[schedule]\nrate = 0", "schedule.rate is 0.0; it must be above 0"),
        ("[schedule]\nema = 1", "schedule.ema is 1.0; it must be below 1"),
        ("[head]\nsampled = 1.5", "head.sampled is 1.5; it must be 1 or less"),
        ("[schedule]\nrate = nan", "schedule.rate is nan; it must be a finite number"),
        (f"[schedule]\nrate = 1{'0' * 400}", "schedule.rate is inf; it must be a finite number"),
        ("[schedule]\nlast_rate = 0.1", "last_rate is 0.1, above the rate of 0.001"),
        ("[data]\nper_epoch = 1", "per_epoch is 1; it must be 0, for all photos, or 2"),
        ("[run]\nseed = -1", "run.seed is -1; it must be 0 or more"),
        ("[run\nseed = 1", "no TOML .*line 1"),
    ],
)
def test_a_wrong_one_is_named_with_its_file(tmp_path, text, message):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        Settings.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_what_cannot_be_read_is_said_so(tmp_path):
    with pytest.raises(InputError, match=r"gone.toml cannot be read \(No such file"):
        Settings.read(tmp_path / "gone.toml")
    with pytest.raises(InputError, match="cannot be read"):
        Settings.read(tmp_path)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"bytes\.toml: no TOML"):
        Settings.read(tmp_path / "bytes.toml")


def test_a_command_line_changes_what_it_says():
    settings = Settings().merged(epochs=3, side=128, augmentation=None, kind="cosface")
    assert (settings.schedule.epochs, settings.data.side, settings.head.kind) == (3, 128, "cosface")
    assert settings.data.augmentation == "soft"
    assert settings.model == Settings().model
    with pytest.raises(InputError, match="'epoch' is not a setting; did you mean epochs"):
        settings.merged(epoch=3)
    with pytest.raises(InputError, match=r"schedule\.epochs is 0; it must be 1 or more"):
        settings.merged(epochs=0)


def test_no_name_stands_in_two_groups():
    everything = [name for group in groups() for name in names(group)]
    assert len(everything) == len(set(everything))


def test_they_come_back_from_json():
    settings = Settings().merged(epochs=3, rate=0.01, weights="random", seed=7)
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_they_do_not_change():
    with pytest.raises(FrozenInstanceError):
        Settings().schedule.epochs = 3


@pytest.mark.parametrize("group", groups())
def test_the_digest_knows_what_weights_depend_on(group):
    """Every setting, each changed to another that is allowed."""
    for part in fields(groups()[group]):
        name, before = part.name, part.default
        if isinstance(before, bool):
            after = not before
        elif isinstance(before, str):
            after = part.metadata.get("choices", ("", "other"))[-1]
        elif isinstance(before, float):
            after = before / 2 or 0.5
        else:
            after = before + 2
        changed = Settings().merged(**{name: after})
        beside = name in ("checkpoint_every", "validate_every", "keep", "licence")
        assert changed != Settings()
        assert (changed.digest() == Settings().digest()) == beside, name


def test_words_are_those_that_other_modules_know():
    assert set(AMOUNTS) == set(AUGMENTATIONS)
    for kind in HEADS:
        assert Settings().merged(kind=kind).head.kind == kind
