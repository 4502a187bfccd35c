"""A model that knows other landmarks, taught those of a new city with few labels: before and after.

The commands are `steeple train CITY --from MODEL` and `steeple evaluate`; a toy city has the labels
of 0.38 of the photos of four landmarks in five. Queries and index are never learned from.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from common import new_parser, print_table, report
from embedders import METHODS, measure
from steeple.demo import build_city
from steeple.embedding import create_embedder
from steeple.training.run import train
from steeple.training.settings import Settings

CONFIG = Path(__file__).parents[1] / "configs" / "adapt.toml"


def main() -> None:
    """Measures a model on a toy city, adapts it, and measures again."""
    parser = new_parser(__doc__)
    parser.add_argument("model", type=Path, help="the folder of a model")
    parser.add_argument("--config", type=Path, default=CONFIG, help="settings of the training")
    parser.add_argument("--photos", type=int, default=800, help="of the city")
    parser.add_argument("--seed", type=int, default=3, help="of the city; not that of training")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        city = build_city(Path(scratch, "city"), photos=arguments.photos, seed=arguments.seed)
        adapted = Path(scratch, "adapted")
        settings = Settings.read(arguments.config)
        side = create_embedder(str(arguments.model)).max_side
        settings = settings.merged(side=side, validate_every=0)
        train(
            city.root,
            adapted,
            settings,
            start_from=arguments.model,
        )
        found = {
            name: measure(city.root, str(model), local_features=None)
            for name, model in (("before", arguments.model), ("after", adapted))
        }
    print(f"{city.train} photos with labels, {city.index} in the index, {city.test} queries")
    columns = [*METHODS, "GAP"]
    rows = [[name, *(round(row[key], 1) for key in columns)] for name, row in found.items()]
    print_table(["model", *columns], rows)
    report("adaptation", found, arguments.json)


if __name__ == "__main__":
    main()
