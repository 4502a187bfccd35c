"""What a training can be told, in a TOML file or from the command line, checked before it begins.

A group of settings is a table of the file::

    [model]
    backbone = "resnet18"
    [schedule]
    epochs = 10

What is not said has the value that the paper used, where it says one (section 4.1, and its
published recipe). Needs no PyTorch.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from steeple.errors import InputError
from steeple.training.fields import check_fields, choice, known, number

__all__ = [
    "AUGMENTATIONS",
    "OPTIMIZERS",
    "PRECISIONS",
    "DataSettings",
    "HeadSettings",
    "ModelSettings",
    "RunSettings",
    "ScheduleSettings",
    "Settings",
]

AUGMENTATIONS = ("none", "soft", "middle")
"""How photos can be varied; `steeple.training.augmentation` says what each does."""

OPTIMIZERS = ("sgd", "adamw")
"""What leads weights downhill."""

PRECISIONS = ("float32", "bfloat16", "float16")
"""What the network can compute in; weights are float32 in any case."""

_HEADS = ("arcface", "cosface", "softmax", "subcentre-arcface")  # HEADS needs PyTorch


@dataclass(frozen=True)
class ModelSettings:
    """``[model]``: the network. See `steeple.embedding.network.Architecture`.

    Args:
        backbone: timm's name, or ``fishnet150``.
        dimension: D, of the descriptor.
        p: the power of GeM to begin with.
        learn_p: whether it is learned.
        p_per_channel: whether each channel has its own.
        weights: the weights to begin with: ``imagenet``, ``random``, or the path of a model's
            folder or a file of weights, seen from where the command is given.
    """

    backbone: str = "resnet101"
    dimension: int = number(512, least=1)
    p: float = number(3.0, above=0, most=100)
    learn_p: bool = False
    p_per_channel: bool = False
    weights: str = "imagenet"

    def __post_init__(self) -> None:
        """Refuses what cannot be: InputError names the setting."""
        check_fields(self, "model")


@dataclass(frozen=True)
class HeadSettings:
    """``[head]``: what the descriptors learn from. See `steeple.training.heads`.

    Args:
        kind: ``arcface``, ``cosface``, ``softmax`` or ``subcentre-arcface``.
        scale: s, which logits lie within; softmax has none.
        margin: m, radians for ArcFace, a cosine for CosFace; softmax has none.
        centres: per landmark, of subcentre-arcface only.
        sampled: the share of the landmarks that a step compares with, up to 1; 0 takes all.
    """

    kind: str = choice("arcface", _HEADS)
    scale: float = number(30.0, above=0)
    margin: float = number(0.3, least=0, below=1.5)
    centres: int = number(3, least=1)
    sampled: float = number(0.0, least=0, most=1)

    def __post_init__(self) -> None:
        """Refuses what cannot be: InputError names the setting."""
        check_fields(self, "head")


@dataclass(frozen=True)
class DataSettings:
    """``[data]``: the photos.

    Args:
        side: the long side, in pixels, of the oblong buckets that photos are cut to; see
            `steeple.training.batches.buckets`.
        augmentation: ``none``, ``soft`` or ``middle``; see `steeple.training.augmentation`.
        least: photos that a landmark needs; those of others are left out.
        per_epoch: photos in an epoch, drawn anew for each; 0 takes all.
        clean: what becomes of the ``train_clean.csv`` of a GLD-v2 folder: ``use``, ``ignore``; or
            the path of another table that `steeple clean` wrote, seen from where the command is
            given, which any source may have.
    """

    side: int = number(512, least=32, most=4096)
    augmentation: str = choice("soft", AUGMENTATIONS)
    least: int = number(2, least=1)
    per_epoch: int = number(0, least=0)
    clean: str = "use"

    def __post_init__(self) -> None:
        """Refuses what cannot be: InputError names the setting."""
        check_fields(self, "data")
        if self.per_epoch == 1:
            raise InputError("data.per_epoch is 1; it must be 0, for all photos, or 2 or more")


@dataclass(frozen=True)
class ScheduleSettings:
    """``[schedule]``: how the weights descend, and for how long.

    Args:
        epochs: times that the photos are gone through.
        batch: photos in a batch, at most; two at least, of which batch norms can learn.
        rate: of learning at its highest.
        last_rate: at the end, where a cosine leads it step by step.
        warmup: steps in which the rate climbs from 0 in a straight line.
        optimizer: ``sgd``, as the paper; or ``adamw``, which gets from random weights to useful
            ones in a fraction of the steps (Loshchilov and Hutter, "Decoupled Weight Decay
            Regularization", ICLR 2019), at a rate of about 1e-3.
        momentum: of sgd.
        decay: beta, of all weights that are multiplied.
        head_rate: the rate of the head as a multiple of the network's.
        freeze_batch_norm: whether the batch norms of the backbone stay as they are; from random
            weights they must not.
        clip: the norm that the gradient is cut to; 0 leaves it as it is.
        accumulate: batches whose gradients make one step.
        ema: the share that a running mean of the weights keeps of itself in a step, such as 0.999;
            that mean is the model then. 0 keeps none.
        precision: ``float32``, ``bfloat16`` or ``float16``.
    """

    epochs: int = number(5, least=1)
    batch: int = number(32, least=2)
    rate: float = number(1e-3, above=0)
    last_rate: float = number(3e-6, least=0)
    warmup: int = number(0, least=0)
    optimizer: str = choice("sgd", OPTIMIZERS)
    momentum: float = number(0.9, least=0, below=1)
    decay: float = number(1e-5, least=0)
    head_rate: float = number(1.0, above=0)
    freeze_batch_norm: bool = True
    clip: float = number(0.0, least=0)
    accumulate: int = number(1, least=1)
    ema: float = number(0.0, least=0, below=1)
    precision: str = choice("float32", PRECISIONS)

    def __post_init__(self) -> None:
        """Refuses what cannot be: InputError names the setting."""
        check_fields(self, "schedule")
        if self.last_rate > self.rate:
            raise InputError(
                f"schedule.last_rate is {self.last_rate}, above the rate of {self.rate}; "
                "the rate falls, so give less"
            )


@dataclass(frozen=True)
class RunSettings:
    """``[run]``: what is done beside learning.

    Args:
        seed: of first weights, order and augmentation.
        checkpoint_every: steps from one checkpoint to the next; 0 keeps those at the ends of epochs
            only.
        validate_every: epochs from one validation to the next, the last epoch having one in any
            case; 0 for that one only.
        keep: checkpoints that stay, the newest.
        licence: terms on which the model may be used, for its card; where nothing is said, those of
            the weights it began with.
    """

    seed: int = number(0, least=0, most=2**32 - 1)
    checkpoint_every: int = number(1000, least=0)
    validate_every: int = number(1, least=0)
    keep: int = number(2, least=1)
    licence: str = ""

    def __post_init__(self) -> None:
        """Refuses what cannot be: InputError names the setting."""
        check_fields(self, "run")


@dataclass(frozen=True)
class Settings:
    """All settings of a training, by group."""

    model: ModelSettings = ModelSettings()
    head: HeadSettings = HeadSettings()
    data: DataSettings = DataSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    run: RunSettings = RunSettings()

    @classmethod
    def read(cls, path: Path | str | None) -> Settings:
        """Reads a TOML file.

        Args:
            path: the file; None for the settings that nobody has changed.

        Raises:
            InputError: if it cannot be read, or a setting is unknown, of the wrong type or out of
                range; the message names file and setting.
        """
        if path is None:
            return cls()
        path = Path(path)
        try:
            return cls.from_dict(tomllib.loads(path.read_text(encoding="utf-8-sig")))
        except OSError as error:
            raise InputError(
                f"{path} cannot be read ({error.strerror}); give a file of settings"
            ) from error
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        except ValueError as error:  # no TOML, or no UTF-8
            raise InputError(f"{path}: no TOML ({_line(error)}); correct it there") from error

    @classmethod
    def from_dict(cls, groups: Mapping[str, Any]) -> Settings:
        """The settings of a TOML file, or of `to_dict`.

        Args:
            groups: group -> setting -> value; what is missing has its usual value.

        Raises:
            InputError: if a setting is unknown, of the wrong type or out of range.
        """
        chosen = {}
        kinds: dict[str, Any] = {part.name: type(part.default) for part in fields(cls)}
        for group, values in groups.items():
            known(group, kinds, "a table of settings")
            if not isinstance(values, Mapping):
                raise InputError(f"{group} is {values!r}; it must be a table, [{group}]")
            kind = kinds[group]
            names = [part.name for part in fields(kind)]
            for name in values:
                known(name, names, f"a setting of [{group}]")
            chosen[group] = kind(**values)
        return cls(**chosen)

    def merged(self, **overrides: Any) -> Settings:
        """These settings with some changed, as a command line does.

        Args:
            overrides: setting -> value, without its group: ``merged(epochs=3, side=128)``; None
                leaves a setting as it is.

        Raises:
            InputError: if a setting is unknown, of the wrong type or out of range.
        """
        groups = {part.name: getattr(self, part.name) for part in fields(self)}
        owners = {part.name: group for group, held in groups.items() for part in fields(held)}
        changes: dict[str, dict[str, Any]] = {}
        for name, value in overrides.items():
            known(name, owners, "a setting")
            if value is not None:
                changes.setdefault(owners[name], {})[name] = value
        changed = {group: replace(groups[group], **values) for group, values in changes.items()}
        return replace(self, **changed)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Group -> setting -> value, for JSON; `from_dict` reads it again."""
        return asdict(self)

    def digest(self) -> str:
        """32 hexadecimal digits that change with every setting that the learned weights depend on.

        How often checkpoints and validations are made, how many stay, and on what terms, is not
        among them.
        """
        settings = self.to_dict()
        settings["run"] = {"seed": settings["run"]["seed"]}
        text = json.dumps(settings, sort_keys=True).encode()
        return hashlib.blake2b(text, digest_size=16).hexdigest()


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
