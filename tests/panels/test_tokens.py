"""The token file: three themes with the same names, readable, and signs that cannot be taken for each other."""

import itertools
import re

import pytest

from ioc.panels.tokens import THEMES, TOKEN_FILE, Theme, colours

SEVERITY = ("critical", "high")
FRESHNESS = ("live", "late", "stale", "silent")


def _channels(colour: str) -> list[float]:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def _luminance(colour: str) -> float:
    red, green, blue = _channels(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _lab(colour: str) -> tuple[float, float, float]:
    red, green, blue = _channels(colour)
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def test_all_themes_name_the_same_colours() -> None:
    assert len({frozenset(colours(theme)) for theme in THEMES}) == 1


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ink", ["ink", "ink-2", "ink-3", "missed", "met", "accent", "critical", *FRESHNESS])
def test_text_is_readable_on_every_ground(theme: Theme, ink: str) -> None:
    named = colours(theme)
    for ground in ("ground", "surface", "sunken"):
        assert contrast(named[ink], named[ground]) >= 4.5, (theme, ink, ground)


@pytest.mark.parametrize("theme", THEMES)
def test_shapes_and_lines_stand_out(theme: Theme) -> None:
    named = colours(theme)
    for shape in ("missed-fill", "data", "series", "control", "high"):
        assert contrast(named[shape], named["surface"]) >= 3, (theme, shape)


@pytest.mark.parametrize("theme", THEMES)
def test_signs_of_one_axis_are_told_apart(theme: Theme) -> None:
    named = colours(theme)
    for axis in (SEVERITY, FRESHNESS):
        for one, other in itertools.combinations(axis, 2):
            distance = sum((a - b) ** 2 for a, b in zip(_lab(named[one]), _lab(named[other]), strict=True)) ** 0.5
            assert distance >= 18, (theme, one, other)


@pytest.mark.parametrize("theme", THEMES)
def test_warm_is_the_world_and_cool_is_our_knowledge(theme: Theme) -> None:
    named = colours(theme)
    for sign in (*SEVERITY, "missed"):
        assert _lab(named[sign])[2] > 20, (theme, sign)
    for sign in FRESHNESS:
        assert _lab(named[sign])[2] < 12, (theme, sign)


def test_components_use_names_and_no_colours_of_their_own() -> None:
    for path in TOKEN_FILE.parent.glob("*.css"):
        if path.name not in (TOKEN_FILE.name, "shapes.css"):
            own = re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;,) ])|\brgba?\(", path.read_text(encoding="utf-8"))
            assert own == [], path.name
