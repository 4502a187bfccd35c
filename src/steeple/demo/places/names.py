"""Names for landmarks, in the manner of guide books."""

from __future__ import annotations

import numpy as np

_SAINTS = (
    "Orla",
    "Brannoc",
    "Odile",
    "Wendel",
    "Ysolde",
    "Kilda",
    "Almund",
    "Petroc",
    "Zita",
    "Fenwick",
    "Isolda",
    "Corbin",
    "Melusine",
    "Tobias",
    "Quirin",
    "Ludmila",
    "Anselm",
)
_PEOPLE = (
    "Marchmain",
    "Bellacorte",
    "Okonjo",
    "Lindqvist",
    "Tarrasque",
    "Vandermeer",
    "Osei",
    "Kowalska",
    "Montalban",
    "Ferreira",
    "Hargreaves",
    "Ishikawa",
    "Petrosyan",
    "Duarte",
    "Nightingale",
    "Castellane",
    "Varga",
    "Amrani",
    "Thistlewood",
    "Rosenkrantz",
)
_PLACES = (
    "Harbour",
    "Lantern",
    "Orchard",
    "Magpie",
    "Silver",
    "Salt",
    "Mill",
    "Larch",
    "Raven",
    "Copper",
    "Weaver",
    "Swan",
    "Almond",
    "Thunder",
    "Candle",
    "Juniper",
    "Heron",
    "Falcon",
)
_FORMS = {
    "cathedral": ("St {s}'s Cathedral", "Cathedral of St {s}", "{p} Minster"),
    "basilica": ("Basilica of St {s}", "St {s} at the {g}s", "Church of St {s}"),
    "onion": ("St {s} of the {g}s", "Church of the Five {g}s", "St {s}-by-the-Moat"),
    "pagoda": ("Pagoda of the {g}", "{g} Temple", "Temple of the Quiet {g}"),
    "palace": ("{p} Palace", "Palace of the {p}s", "{g} Palace"),
    "townhall": ("{g} Hall", "Old {g} Town Hall", "{p} Guildhall"),
    "castle": ("{g} Castle", "Castle {p}", "Fort {s}"),
    "museum": ("{p} Museum", "{g} Gallery", "{p} Collection"),
    "station": ("{g} Street Station", "{p} Terminus", "{g} Cross"),
    "theatre": ("{p} Theatre", "The {g} Opera", "{g} Playhouse"),
    "gate": ("{g} Gate", "{p} Arch", "Gate of St {s}"),
    "column": ("{p} Column", "Column of St {s}", "{g} Column"),
    "clocktower": ("{g} Clock Tower", "Big {s}", "The {p} Clock"),
    "bridge": ("{g} Bridge", "{p} Bridge", "St {s}'s Bridge"),
    "windmill": ("{g} Windmill", "{p}'s Mill", "Old {g} Mill"),
    "lighthouse": ("{g} Light", "{p} Lighthouse", "{g} Point Light"),
}


_ENDINGS = ("wick", "ford", "burgh", "dale", "stead", "mouth", "haven", "gate")
_QUARTERS = ("", "Old ", "New ", "Upper ", "Lower ", "East ", "West ", "Little ", "Great ")


def landmark_name(rng: np.random.Generator, kind: str, town: int) -> str:
    """A name for a landmark of this kind, and of the town it lies in unless that is town 0.

    A town has one landmark of each kind, so no two landmarks of a city share a name.
    """
    form = str(rng.choice(_FORMS[kind]))
    name = form.format(s=rng.choice(_SAINTS), p=rng.choice(_PEOPLE), g=rng.choice(_PLACES))
    return f"{name} in {_town(town)}" if town else name


def _town(number: int) -> str:
    rest, place = divmod(number, len(_PLACES))
    rest, ending = divmod(rest, len(_ENDINGS))
    again, quarter = divmod(rest, len(_QUARTERS))
    # Neighbouring numbers are to differ in their endings too.
    ending = (ending + place) % len(_ENDINGS)
    name = _QUARTERS[quarter] + _PLACES[place] + _ENDINGS[ending]
    return f"{name} {again + 1}" if again else name
