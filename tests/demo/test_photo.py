import cv2
import numpy as np
import pytest

from steeple.demo.around.conditions import HOURS, WEATHERS, make_conditions
from steeple.demo.around.views import picture_size
from steeple.demo.photo import NO_LANDMARK, Photo, take


def decode(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


@pytest.mark.parametrize(
    "photo", [Photo(0, 1, False), Photo(1, 1, True), Photo(2, NO_LANDMARK, False)]
)
def test_a_photo_has_the_size_asked_for_and_something_on_it(photo):
    picture = decode(take(3, photo, 96))
    assert max(picture.shape[:2]) == 96
    assert picture.std() > 8


def test_inside_looks_nothing_like_outside():
    out, inside = (decode(take(3, Photo(7, 1, interior), 96)) for interior in (False, True))
    assert out.shape != inside.shape or np.abs(out.astype(int) - inside).mean() > 15


def test_a_photo_depends_on_its_numbers_alone():
    first = take(3, Photo(5, 1, False), 80)
    take(3, Photo(6, 2, False), 80)
    assert take(3, Photo(5, 1, False), 80) == first
    assert take(3, Photo(6, 1, False), 80) != first


def test_pictures_come_in_many_shapes_and_suit_their_subject():
    rng = np.random.default_rng(0)
    sizes = {picture_size(rng, 480) for _ in range(200)}
    assert {(480, 360), (480, 320), (360, 480), (480, 480), (480, 270)} <= sizes
    tall = [picture_size(rng, 480, (5.0, 30.0)) for _ in range(200)]
    assert sum(height > width for width, height in tall) > 120


@pytest.mark.parametrize("weather", WEATHERS)
@pytest.mark.parametrize("hour", HOURS)
def test_lamps_burn_when_it_is_dark(hour, weather):
    conditions = make_conditions(hour, weather, 0.3)
    assert np.linalg.norm(conditions.light.sun) == pytest.approx(1.0)
    assert conditions.light.sun[2] > 0
    assert conditions.night == bool(conditions.light.glow.any())
    assert (conditions.light.snow > 0) == (weather == "snow")
