"""A province folder with one mistake: one sentence that names file, line, column and value."""

import shutil
from pathlib import Path

import pytest

from ioc.model.province_files import InvalidProvince, read_province

PROVINCES = Path(__file__).resolve().parents[2] / "provinces"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROVINCES / "binh_duong", tmp_path / "binh_duong"))


def replace_line(path: Path, line: int, old: str, new: str) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "line", "old", "new", "sentence"),
    [
        (
            "units.csv",
            3,
            "2025-07-01",
            "2025-13-01",
            "units.csv, line 3, valid_to: '2025-13-01' does not fit; write a date",
        ),
        (
            "units.csv",
            3,
            "2025-07-01",
            "1/7/2025",
            "units.csv, line 3, valid_to: '1/7/2025' does not fit; write a date",
        ),
        (
            "units.csv",
            3,
            "10.992984",
            "10,992984",
            "line 3 has 11 values for 10 columns; put values with a comma in quotes",
        ),
        ("units.csv", 3, "10.992984", "north", "units.csv, line 3, lat: 'north' does not fit; write a number"),
        (
            "units.csv",
            3,
            "10.992984",
            "nan",
            "units.csv, line 3, lat: 'nan' is out of range; write a number from -90 to 90",
        ),
        ("units.csv", 3, "10.992984", "106.992984", "units.csv, line 3, lat: '106.992984' is out of range"),
        ("units.csv", 3, "vn-718-open", "", "units.csv, line 3, id: '' does not fit; it must not be empty"),
        ("units.csv", 3, "vn-74-open", "vn-75-open", "units.csv, line 3, parent: 'vn-75-open' is not in units"),
        (
            "units.csv",
            1,
            "valid_from",
            "from",
            "units.csv: check the column 'from'; the first line must be id,code,name",
        ),
        (
            "successions.csv",
            2,
            "divided",
            "split",
            "successions.csv, line 2, kind: 'split' does not fit; write whole or",
        ),
        (
            "successions.csv",
            2,
            "false",
            "no",
            "successions.csv, line 2, is_default: 'no' does not fit; write true or false",
        ),
        ("asset_units.csv", 5, "vn-", "nv-", "asset_units.csv, line 5, unit: 'nv-"),
        ("coverage.csv", 2, "binh-duong", "binh-dương", "coverage.csv, line 2, centre: 'binh-dương' is not in centres"),
        ("assets.csv", 2, '"QL13', 'x"QL13', "assets.csv:"),
        ("province.toml", 5, "Asia/Ho_Chi_Minh", "Asia/Binh_Duong", "timezone: 'Asia/Binh_Duong' is no time zone"),
        ("province.toml", 2, "id", "identity", "province.toml: Object contains unknown field `identity`"),
        ("province.toml", 2, "=", ":", "province.toml is not TOML"),
    ],
)
def test_one_mistake_gives_one_sentence(folder: Path, file: str, line: int, old: str, new: str, sentence: str) -> None:
    replace_line(folder / file, line, old, new)
    with pytest.raises(InvalidProvince) as caught:
        read_province(folder)
    assert sentence in caught.value.problems[0]
    assert "\n" not in str(caught.value)


def test_all_mistakes_of_all_tables_are_told_at_once(folder: Path) -> None:
    replace_line(folder / "units.csv", 3, "10.992984", "north")
    replace_line(folder / "successions.csv", 2, "divided", "split")
    with pytest.raises(InvalidProvince) as caught:
        read_province(folder)
    assert [problem.partition(",")[0] for problem in caught.value.problems] == ["units.csv", "successions.csv"]


def test_line_is_counted_in_the_file_and_not_in_the_records(folder: Path) -> None:
    path = folder / "centres.csv"
    path.write_text('id,title_vi,title_en,parent\na,"two\nlines",A,\nb,B,B,nobody\n', encoding="utf-8")
    (folder / "coverage.csv").write_text("centre,unit,valid_from,valid_to\n", encoding="utf-8")
    with pytest.raises(InvalidProvince, match=r"centres\.csv, line 4, parent: 'nobody'"):
        read_province(folder)


def test_missing_table_is_named(folder: Path) -> None:
    (folder / "coverage.csv").unlink()
    with pytest.raises(InvalidProvince, match=r"coverage\.csv is missing; add it"):
        read_province(folder)


def test_folder_without_a_province_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidProvince, match=r"there is no province\.toml; name the folder of a province"):
        read_province(tmp_path)


def test_other_encodings_are_refused_and_a_byte_order_mark_is_not(folder: Path) -> None:
    path = folder / "centres.csv"
    text = path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8-sig")
    assert len(read_province(folder).territory.centres) == 10
    path.write_text(text, encoding="utf-16")
    with pytest.raises(InvalidProvince, match=r"centres\.csv is not UTF-8; save it as UTF-8"):
        read_province(folder)


def test_shapes_are_optional_and_must_name_known_units(folder: Path) -> None:
    (folder / "roads.geojson").unlink()
    province = read_province(folder)
    assert province.roads() is None
    path = folder / "boundaries.geojson"
    path.write_text(path.read_text(encoding="utf-8").replace("vn-74-open", "vn-1-open", 1), encoding="utf-8")
    with pytest.raises(InvalidProvince, match=r"boundaries\.geojson: 'vn-1-open' is no unit of this province"):
        province.boundaries()
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(InvalidProvince, match="is not a GeoJSON FeatureCollection"):
        province.boundaries()
