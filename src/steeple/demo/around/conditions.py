"""The hour and the weather of a photo: where light comes from and what the air does to it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steeple.demo.render.scene import Light

Floats = NDArray[np.float64]

HOURS = ("morning", "noon", "afternoon", "golden", "dusk", "night")
WEATHERS = ("clear", "fair", "overcast", "fog", "rain", "snow")

# hour: elevation of the sun in degrees; BGR of direct and of ambient light, of zenith and horizon
_HOURS = {
    "morning": (32.0, (0.46, 0.56, 0.64), (0.52, 0.48, 0.44), (205, 140, 82), (236, 222, 206)),
    "noon": (58.0, (0.52, 0.56, 0.58), (0.52, 0.49, 0.47), (208, 132, 62), (238, 214, 184)),
    "afternoon": (40.0, (0.44, 0.55, 0.64), (0.52, 0.49, 0.47), (200, 138, 78), (230, 220, 208)),
    "golden": (14.0, (0.26, 0.50, 0.78), (0.46, 0.42, 0.44), (186, 132, 104), (138, 190, 246)),
    "dusk": (6.0, (0.12, 0.16, 0.26), (0.42, 0.30, 0.30), (112, 66, 52), (132, 128, 226)),
    "night": (45.0, (0.06, 0.04, 0.03), (0.25, 0.18, 0.16), (36, 18, 10), (74, 46, 36)),
}


@dataclass(frozen=True, eq=False)
class Conditions:
    """What the sky and the air of one photo are like.

    Attributes:
        hour: one of HOURS.
        weather: one of WEATHERS.
        light: what falls on faces.
        zenith, horizon: (3,) float64 BGR of the sky, 0..255.
        cloud: share of the sky under cloud, 0..1.
        cloud_colour: (3,) float64 BGR, 0..255.
        haze: how much of the air's colour is added per metre, 1 / metres.
        haze_colour: (3,) float64 BGR, 0..255.
        shadow: how much darker the ground is in a shadow, 0..1.
    """

    hour: str
    weather: str
    light: Light
    zenith: Floats
    horizon: Floats
    cloud: float
    cloud_colour: Floats
    haze: float
    haze_colour: Floats
    shadow: float

    @property
    def night(self) -> bool:
        """Whether lamps are lit and the sky is dark."""
        return self.hour in {"dusk", "night"}


def draw_conditions(rng: np.random.Generator) -> Conditions:
    """Draw an hour and a weather as photographers meet them: mostly day, mostly fair."""
    hour = str(rng.choice(HOURS, p=(0.24, 0.27, 0.24, 0.12, 0.07, 0.06)))
    weather = str(rng.choice(WEATHERS, p=(0.3, 0.36, 0.2, 0.03, 0.07, 0.04)))
    azimuth = math.radians(float(rng.uniform(-80, 80)))
    return make_conditions(hour, weather, azimuth)


def make_conditions(hour: str, weather: str, azimuth: float) -> Conditions:
    """The conditions of an hour of HOURS and a weather of WEATHERS.

    Args:
        hour: one of HOURS.
        weather: one of WEATHERS.
        azimuth: of the sun, radians, 0 behind a photographer who faces the landmark's front.
    """
    elevation, direct, ambient, zenith, horizon = _HOURS[hour]
    height = math.radians(elevation)
    sun = np.array(
        [
            math.sin(azimuth) * math.cos(height),
            -math.cos(azimuth) * math.cos(height),
            math.sin(height),
        ]
    )
    direct_, ambient_ = np.array(direct), np.array(ambient)
    top, low = np.array(zenith, np.float64), np.array(horizon, np.float64)
    cover = {"clear": 0.05, "fair": 0.42}.get(weather, 1.0)
    grey = low.mean() * 0.6 + top.mean() * 0.4
    if cover == 1.0:
        ambient_ = ambient_ * 0.4 + ambient_.mean() * 0.75 + direct_.mean() * 0.3
        direct_ = direct_ * 0.12
        top = top * 0.15 + grey * np.array([0.86, 0.84, 0.82])
        low = low * 0.2 + grey * np.array([0.88, 0.87, 0.86])
    lamps = 0.0 if hour not in {"dusk", "night"} else 1.0
    haze = {"fog": 0.016, "rain": 0.004, "snow": 0.006}.get(weather, 0.0009)
    return Conditions(
        hour=hour,
        weather=weather,
        light=Light(
            sun=sun,
            sun_colour=direct_,
            ambient=ambient_,
            flood=np.array([0.26, 0.42, 0.56]) * lamps,
            glow=np.array([0.34, 0.66, 0.92]) * lamps,
            snow=0.85 if weather == "snow" else 0.0,
        ),
        zenith=top,
        horizon=low,
        cloud=cover,
        cloud_colour=low * 0.55 + np.array([255.0, 252.0, 250.0]) * 0.45 * (grey / 190.0),
        haze=haze,
        haze_colour=low * 0.9,
        shadow=0.0 if cover == 1.0 or lamps else 0.42,
    )
