"""The simulated province of the tests: the shipped one, read from its files; nothing of the product is in it."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulators.places import Asset, Territory, Unit, territory
from tests.simulators.peer import Peer, serving

PROVINCE = Path(__file__).parents[2] / "provinces" / "binh_duong"


def read_csv(name: str) -> list[dict[str, str]]:
    with (PROVINCE / name).open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if not row["valid_to"]]


@pytest.fixture(scope="session")
def unit_rows() -> list[dict[str, Any]]:
    """Units as the server tells them today."""
    return [
        {
            "id": row["id"],
            "code": row["code"],
            "name": row["name"],
            "level": row["level"],
            "parent": row["parent"] or None,
            "lat": float(row["lat"]),
            "lon": float(row["lon"]),
            "area_km2": float(row["area_km2"]) if row["area_km2"] else None,
        }
        for row in read_csv("units.csv")
    ]


@pytest.fixture(scope="session")
def asset_rows() -> list[dict[str, Any]]:
    """Assets as the server tells them today."""
    homes = {row["asset"]: row["unit"] for row in read_csv("asset_units.csv")}
    return [
        {
            "id": row["id"],
            "kind": row["kind"],
            "title_vi": row["title_vi"],
            "title_en": row["title_en"],
            "lat": float(row["lat"]),
            "lon": float(row["lon"]),
            "group": row["group"] or None,
            "unit": homes[row["id"]],
            "centres": ["binh-duong"],
        }
        for row in read_csv("assets.csv")
    ]


@pytest.fixture(scope="session")
def places(asset_rows: list[dict[str, Any]], unit_rows: list[dict[str, Any]]) -> Territory:
    assets = [
        Asset(row["id"], row["kind"], row["title_vi"], row["group"] or "", row["lat"], row["lon"], row["unit"])
        for row in asset_rows
    ]
    units = [Unit(row["id"], row["lat"], row["lon"], row["area_km2"], row["parent"]) for row in unit_rows]
    return territory(assets, units)


@pytest.fixture
def peer(asset_rows: list[dict[str, Any]], unit_rows: list[dict[str, Any]]) -> Iterator[Peer]:
    with serving(Peer(asset_rows, unit_rows)) as running:
        yield running
