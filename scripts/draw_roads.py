"""Schematic roads: smooth lines through known places, cut into segments of one to two and a half kilometres.

The roads are real, their lines are not surveyed: each runs through the points of the communes that the real road
serves, so that it lies in the right cells of the schematic map. A stop is the name of a commune before the reform,
or `lat,lon` where the road leaves or meets the province's edge. An operator's own road file replaces all of this.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from shapely import LineString
from shapely.ops import substring

XY = tuple[float, float]
SAMPLES_PER_STRETCH = 24
SHORTEST_KM, IN_TOWN_KM, LONGEST_KM = 1.0, 2.1, 2.5


@dataclass(frozen=True, slots=True)
class Road:
    """`id` goes into asset ids, `name` on screens; segments are numbered from the first stop on."""

    id: str
    name: str
    stops: tuple[str, ...]
    longest_km: float


def _road(road_id: str, name: str, stops: str, longest_km: float = LONGEST_KM) -> Road:
    return Road(road_id, name, tuple(stop.strip() for stop in stops.split(";")), longest_km)


BINH_DUONG = (
    _road(
        "ql13",
        "QL13",
        "10.8655,106.7080; Vĩnh Phú; Lái Thiêu; 10.9230,106.7000; Hưng Định; 10.9540,106.6830; Phú Thọ; "
        "10.9790,106.6690; 10.9960,106.6620; 11.0200,106.6480; Tân Định (Bến Cát); 11.0800,106.6190; "
        "Thới Hòa; Mỹ Phước; Lai Hưng; 11.2600,106.6280; Lai Uyên; Trừ Văn Thố; 11.3800,106.6060",
    ),
    _road(
        "my-phuoc-tan-van",
        "Mỹ Phước – Tân Vạn",
        "10.8925,106.8200; Bình An; Tân Đông Hiệp; 10.9330,106.7560; An Phú; Bình Chuẩn; 11.0050,106.7040; "
        "Phú Tân; 11.0520,106.6830; Hòa Phú; Hòa Lợi; 11.1280,106.6420; Mỹ Phước",
    ),
    _road(
        "dt741",
        "ĐT741",
        "11.0330,106.6420; Định Hòa; 11.0520,106.6680; Hòa Phú; Hòa Lợi; Chánh Phú Hòa; 11.2020,106.6900; "
        "Phước Hòa; Vĩnh Hòa; Phước Vĩnh; An Bình (Phú Giáo); 11.3700,106.8560",
    ),
    _road(
        "dt742",
        "ĐT742",
        "Phú Lợi; Phú Mỹ; Phú Tân; Phú Chánh; Vĩnh Tân; 11.1450,106.7080; Tân Bình (Bắc Tân Uyên); 11.2120,106.7270",
    ),
    _road(
        "dt743",
        "ĐT743",
        "Phú Lợi; Phú Hòa; Bình Chuẩn; An Phú; Tân Đông Hiệp; 10.9040,106.7800; 10.8960,106.7990",
        IN_TOWN_KM,
    ),
    _road(
        "dt743c",
        "ĐT743C",
        "10.9230,106.7000; 10.9160,106.7150; Bình Hòa; 10.9080,106.7440; Tân Đông Hiệp",
        IN_TOWN_KM,
    ),
    _road(
        "dt744",
        "ĐT744",
        "Chánh Mỹ; Tương Bình Hiệp; Tân An; Phú An; An Tây; 11.1280,106.5490; 11.1680,106.5280; "
        "11.1830,106.4950; Thanh Tuyền; Thanh An; Dầu Tiếng; Định Thành",
    ),
    _road(
        "dt745",
        "ĐT745",
        "10.8900,106.6920; Lái Thiêu; Bình Nhâm; 10.9380,106.6860; An Thạnh; 10.9610,106.6640; "
        "10.9700,106.6520; Phú Cường",
        IN_TOWN_KM,
    ),
    _road(
        "dt746",
        "ĐT746",
        "Bình Chuẩn; Tân Phước Khánh; 11.0200,106.7340; Khánh Bình; 11.0580,106.7740; Uyên Hưng; Đất Cuốc; "
        "Tân Mỹ; Thường Tân; Lạc An; 11.1000,106.9280; Hiếu Liêm",
    ),
    _road(
        "dt747",
        "ĐT747",
        "Thái Hòa; Thạnh Phước; Khánh Bình; 11.0620,106.7840; 11.0850,106.7820; Hội Nghĩa; Bình Mỹ; "
        "Tân Bình (Bắc Tân Uyên)",
    ),
    _road(
        "dt748",
        "ĐT748",
        "Mỹ Phước; An Điền; 11.1480,106.5500; An Lập; 11.2420,106.4660; Định Hiệp",
    ),
    _road(
        "dt749a",
        "ĐT749A",
        "Mỹ Phước; Long Nguyên; 11.2240,106.5480; Long Tân; Long Hòa; Minh Tân; Minh Hòa",
    ),
    _road(
        "dt750",
        "ĐT750",
        "Vĩnh Hòa; 11.2800,106.7400; Tân Long; 11.3050,106.6620; Lai Uyên; Cây Trường II; Long Hòa; "
        "11.3200,106.4600; Định Hiệp",
    ),
    _road(
        "dh507",
        "ĐH507",
        "Phước Vĩnh; Tân Hiệp (Phú Giáo); An Linh; An Long; 11.3690,106.7300; Phước Sang; An Thái",
    ),
    _road(
        "dh411",
        "ĐH411",
        "Uyên Hưng; 11.0980,106.8200; Tân Thành; 11.1750,106.8620; Tân Định (Bắc Tân Uyên)",
    ),
    _road(
        "pham-ngoc-thach",
        "Phạm Ngọc Thạch",
        "Hiệp Thành; 11.0080,106.6680; Phú Mỹ; 11.0420,106.6780; Hòa Phú",
        IN_TOWN_KM,
    ),
    _road(
        "huynh-van-luy",
        "Huỳnh Văn Lũy",
        "Hiệp Thành; Phú Lợi; 11.0030,106.6870; Phú Mỹ; Phú Tân",
        IN_TOWN_KM,
    ),
    _road(
        "cach-mang-thang-tam",
        "Cách Mạng Tháng Tám",
        "An Thạnh; 10.9590,106.6700; Chánh Nghĩa; 10.9770,106.6560; 10.9880,106.6530; Hiệp Thành",
        IN_TOWN_KM,
    ),
    _road(
        "duong-30-4",
        "Đường 30/4",
        "Phú Hòa; 10.9750,106.6750; 10.9790,106.6630; 10.9850,106.6480; Chánh Mỹ",
        IN_TOWN_KM,
    ),
    _road(
        "ql1k",
        "QL1K",
        "10.8835,106.7800; Đông Hòa; 10.8990,106.7920; Bình An; 10.9170,106.8010",
        IN_TOWN_KM,
    ),
    _road(
        "ql1",
        "QL1",
        "10.8690,106.7430; An Bình (Dĩ An); 10.8800,106.7650",
        IN_TOWN_KM,
    ),
    _road(
        "xa-lo-ha-noi",
        "Xa lộ Hà Nội",
        "10.8820,106.7850; 10.8860,106.7990; Bình Thắng; 10.9010,106.8220",
        IN_TOWN_KM,
    ),
    _road(
        "tran-hung-dao",
        "Trần Hưng Đạo",
        "An Bình (Dĩ An); Dĩ An; 10.9060,106.7560; Tân Bình (Dĩ An)",
        IN_TOWN_KM,
    ),
    _road(
        "thu-khoa-huan",
        "Thủ Khoa Huân",
        "Hưng Định; Thuận Giao; 10.9630,106.7200; Bình Chuẩn",
        IN_TOWN_KM,
    ),
)


def spline(points: Sequence[XY]) -> LineString:
    """A centripetal Catmull-Rom curve through the points: it makes no loops where points lie close together."""
    first, last = points[0], points[-1]
    before = (2 * first[0] - points[1][0], 2 * first[1] - points[1][1])
    after = (2 * last[0] - points[-2][0], 2 * last[1] - points[-2][1])
    padded = [before, *points, after]
    line = [first]
    for number in range(len(points) - 1):
        line += _stretch(padded[number], padded[number + 1], padded[number + 2], padded[number + 3])
    return LineString(line)


def _stretch(a: XY, b: XY, c: XY, d: XY) -> list[XY]:
    times = [0.0]
    for one, other in pairwise((a, b, c, d)):
        times.append(times[-1] + math.sqrt(math.dist(one, other)))
    t0, t1, t2, t3 = times

    def between(one: XY, other: XY, start: float, end: float, at: float) -> XY:
        share = (at - start) / (end - start)
        return one[0] + share * (other[0] - one[0]), one[1] + share * (other[1] - one[1])

    result = []
    for number in range(1, SAMPLES_PER_STRETCH + 1):
        at = t1 + (t2 - t1) * number / SAMPLES_PER_STRETCH
        ab, bc, cd = between(a, b, t0, t1, at), between(b, c, t1, t2, at), between(c, d, t2, t3, at)
        result.append(between(between(ab, bc, t0, t2, at), between(bc, cd, t1, t3, at), t1, t2, at))
    return result


def cut_into_segments(
    roads: Sequence[Road], lines: Mapping[str, LineString], count: int
) -> dict[str, list[LineString]]:
    """Each road cut into equal parts, `count` in all; raises ValueError where the bounds do not allow that."""
    parts = {road.id: math.ceil(lines[road.id].length / road.longest_km) for road in roads}
    longest = {road.id: road.longest_km for road in roads}
    while sum(parts.values()) < count:
        parts[max(parts, key=lambda road: (lines[road].length / parts[road] / longest[road], road))] += 1
    lengths = [lines[road].length / number for road, number in parts.items()]
    if sum(parts.values()) != count or min(lengths) < SHORTEST_KM:
        raise ValueError(
            f"{sum(parts.values())} segments from {min(lengths):.2f} to {max(lengths):.2f} km instead of {count} "
            f"from {SHORTEST_KM} km: add or remove roads, or change the count"
        )
    return {road: _equal_parts(lines[road], number) for road, number in parts.items()}


def _equal_parts(line: LineString, parts: int) -> list[LineString]:
    step = line.length / parts
    return [substring(line, step * number, step * (number + 1)) for number in range(parts)]
