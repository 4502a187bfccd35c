"""Embedders side by side on one data set: what they find, alone and together.

The figures asked for: a ResNet-18 trained from nothing on one toy city finds at least twice of what
the untrained network does on the unseen landmarks of another, and more than sift-vlad; with ArcFace
more than with softmax. The trainings are the commands of docs/training.md.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from pathlib import Path

from common import new_parser, print_table, report
from steeple.demo import build_city
from steeple.evaluation import evaluate_gldv2

METHODS = ("knn", "two-stage", "default")


def untrained(model: Path, scratch: Path) -> Path:
    """The folder of a model like another, but with the random weights it may have begun with."""
    from steeple.embedding.model import Model
    from steeple.embedding.network import Architecture, new_network
    from steeple.embedding.storage import read_header, save_model

    header = read_header(model)
    card = replace(header.card, name=f"untrained {header.card.name}", training={})
    network = new_network(Architecture(**header.architecture)).eval()
    folder = scratch / "untrained" / model.name
    save_model(Model(network, card, header.colours, header.scales, header.max_side), folder)
    return folder


def measure(dataset: Path, embedder: str, *, local_features: str | None) -> dict[str, float]:
    """mAP@100 of the methods and GAP of `default`, in percent."""
    with tempfile.TemporaryDirectory() as scratch:
        evaluation, _ = evaluate_gldv2(
            dataset,
            Path(scratch, "places"),
            methods=METHODS,
            embedder=embedder,
            local_features=local_features,
        )
    found = {name: scores["all"] for name, scores in evaluation.retrieval.items()}
    found["GAP"] = evaluation.recognition["default"]["gap"]
    return {name: value for name, value in found.items() if value is not None}


def main() -> None:
    """Evaluates embedders on a folder, or on a toy city rendered for it, and prints a table."""
    parser = new_parser(__doc__)
    parser.add_argument("embedders", nargs="+", help="names, models' folders, ensembles of them")
    parser.add_argument("--dataset", type=Path, help="a GLD-v2 folder; a toy city if not given")
    parser.add_argument("--photos", type=int, default=1200, help="of the toy city")
    parser.add_argument("--seed", type=int, default=2, help="of the toy city; not that of training")
    parser.add_argument("--untrained", action="store_true", help="each network untrained, too")
    parser.add_argument("--local-features", action="store_true", help="keep SIFT and verify")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch, dataset = Path(folder), arguments.dataset
        if dataset is None:
            dataset = scratch / "city"
            build_city(dataset, photos=arguments.photos, seed=arguments.seed)
        embedders = {text: text for text in arguments.embedders}
        for text in arguments.embedders if arguments.untrained else ():
            if (Path(text) / "model.json").is_file():
                embedders[f"{text}, untrained"] = str(untrained(Path(text), scratch))
        found = {}
        for name, text in embedders.items():
            kept = "sift" if arguments.local_features else None
            found[name] = measure(dataset, text, local_features=kept)
            print(name, {key: round(value, 1) for key, value in found[name].items()}, flush=True)
    columns = [*METHODS, "GAP"]
    print_table(
        ["embedder", *columns],
        [
            [name, *(round(row.get(key, math.nan), 1) for key in columns)]
            for name, row in found.items()
        ],
    )
    report("embedders", found, arguments.json)


if __name__ == "__main__":
    main()
