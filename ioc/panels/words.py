"""Every word that the pages show, in both languages of the product; the browser gets the same catalogue as JSON.

What a number is called stands with its declaration (`Kpi.title`, `Feed.title`); everything else stands here, and a
test fails for Vietnamese anywhere else in `ioc/panels`. `{name}` marks what is filled in, and both languages must
fill in the same. `\\u00a0` keeps a number with its unit.
"""

import json
from dataclasses import asdict, dataclass
from functools import cache
from typing import Final, Literal

Language = Literal["vi", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("vi", "en")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One language. A word that is missing in one of them fails at import."""

    # the frame of every page
    product: str
    other_language: str
    other_language_hint: str
    other_theme_hint: str
    connecting: str
    connected: str
    disconnected: str
    notice_disk_low: str
    notice_messages_lost: str
    session_over: str
    reload_page: str
    all_pages: str
    own_sessions: str
    own_sign_in: str
    administration: str

    # bands
    band_simulated: str
    band_replay: str
    band_exercise: str
    band_note: str

    # origins
    origin_live: str
    origin_manual: str
    origin_simulated: str
    origin_replay: str
    origin_exercise: str

    # freshness
    state_on_time: str
    state_late: str
    state_stale: str
    state_silent: str
    state_unknown: str
    no_data_yet: str
    as_of_on_time: str
    as_of_late: str
    as_of_stale: str
    as_of_silent: str
    last_known: str

    # durations and moments
    seconds: str
    minutes: str
    minutes_seconds: str
    hours: str
    hours_minutes: str
    days: str
    weekdays: tuple[str, ...]
    hour_tick: str

    # judgement
    target_at_least: str
    target_at_most: str
    missed_below: str
    missed_above: str
    met: str
    points: str
    moved_up: str
    moved_down: str
    moved_level: str
    over_span: str
    reporting: str

    # units of measurement that are words
    unit_dossiers: str
    unit_segments: str
    unit_vehicles: str

    # what is left out of a unit's name where room is short
    name_prefixes: tuple[str, ...]

    # panels
    kpis: str
    kpis_leader: str
    kpis_note: str
    trend: str
    trend_note: str
    trend_empty: str
    trend_gap: str
    rush: str
    map: str
    map_leader: str
    map_note_lighter: str
    map_note_darker: str
    map_schematic: str
    map_no_data: str
    map_road: str
    map_slow: str
    map_congested: str
    map_silent: str
    map_from: str
    map_below: str
    map_impossible: str
    map_unavailable: str
    units: str
    units_leader: str
    units_note: str
    units_summary: str
    units_all_met: str
    units_empty: str
    units_more: str
    units_rate: str
    units_due_none: str
    unit_name: str
    unit_rate: str
    unit_gap: str
    unit_open: str
    unit_overdue: str
    unit_overdue_of: str
    unit_speed: str
    segments: str
    segments_note: str
    segments_empty: str
    segment_congested: str
    segment_slow: str
    segment_free: str
    sources: str
    sources_note: str
    sources_empty: str
    source_name: str
    source_last: str
    source_lag: str
    source_rate: str
    source_rejected: str
    source_state: str

    # the choice of pages
    front: str
    front_note: str
    front_empty: str
    page_wall: str
    page_wall_note: str
    page_centre: str
    page_centre_note: str
    page_leader: str
    page_leader_note: str

    # instead of a page
    page_unknown: str
    page_refused: str
    page_failed: str


VI: Final = Words(
    product="Trung tâm giám sát, điều hành thông minh",
    other_language="EN",
    other_language_hint="Switch to English",
    other_theme_hint="Đổi nền sáng, tối",
    connecting="đang kết nối",
    connected="đang nối, cập nhật liên tục",
    disconnected="mất kết nối máy chủ {age}",
    notice_disk_low="ổ đĩa sắp đầy, tạm ngừng nhận tin",
    notice_messages_lost="mất một đoạn tin trong 24 giờ qua",
    session_over="Phiên làm việc đã hết.",
    reload_page="Tải lại trang để đăng nhập",
    all_pages="Mọi trang",
    own_sessions="Phiên đăng nhập của tôi",
    own_sign_in="Đổi mật khẩu",
    administration="Quản trị",
    band_simulated="DỮ LIỆU MÔ PHỎNG",
    band_replay="DỮ LIỆU PHÁT LẠI",
    band_exercise="DIỄN TẬP",
    band_note="Con số trên trang này không phải số liệu thật của địa phương; không dùng để báo cáo",
    origin_live="trực tiếp",
    origin_manual="nhập tay",
    origin_simulated="mô phỏng",
    origin_replay="phát lại",
    origin_exercise="diễn tập",
    state_on_time="đúng nhịp",
    state_late="trễ",
    state_stale="cũ",
    state_silent="mất tín hiệu",
    state_unknown="không rõ",
    no_data_yet="chưa có số liệu",
    as_of_on_time="cập nhật {age} trước",
    as_of_late="{age}",
    as_of_stale="{age}, từ {time}",
    as_of_silent="{age}",
    last_known="lần cuối {value}, {time}",
    seconds="{s}\u00a0giây",
    minutes="{m}\u00a0phút",
    minutes_seconds="{m}\u00a0phút {s}\u00a0giây",
    hours="{h}\u00a0giờ",
    hours_minutes="{h}\u00a0giờ\u00a0{mm}",
    days="{d}\u00a0ngày",
    weekdays=("Thứ Hai", "Thứ Ba", "Thứ Tư", "Thứ Năm", "Thứ Sáu", "Thứ Bảy", "Chủ nhật"),
    hour_tick="{h}\u00a0giờ",
    target_at_least="mục tiêu từ {value}",
    target_at_most="mục tiêu tối đa {value}",
    missed_below="thiếu {value}",
    missed_above="vượt {value}",
    met="đạt mục tiêu",
    points="điểm\u00a0%",
    moved_up="tăng",
    moved_down="giảm",
    moved_level="không đổi",
    over_span="trong {span}",
    reporting="có tin {m}/{n}",
    unit_dossiers="hồ sơ",
    unit_segments="đoạn",
    unit_vehicles="xe",
    name_prefixes=("Phường ", "Xã ", "Thị trấn ", "Thành phố ", "Thị xã ", "Huyện ", "Tỉnh "),
    kpis="Chỉ tiêu chính",
    kpis_leader="Ta đang ở đâu?",
    kpis_note="{missed} trên {n} chỉ tiêu chưa đạt",
    trend="Tốc độ trung bình",
    trend_note="{unit}, 24 giờ qua",
    trend_empty="Chưa có số liệu trong 24 giờ qua",
    trend_gap="không có số",
    rush="cao điểm {span}",
    map="Hồ sơ đúng hạn theo đơn vị",
    map_leader="Ở đâu?",
    map_note_lighter="7 ngày qua; càng sáng càng chậm",
    map_note_darker="7 ngày qua; càng đậm càng chậm",
    map_schematic="ranh giới và đường là sơ đồ",
    map_no_data="không có số liệu",
    map_road="đường",
    map_slow="chậm, dưới {value}",
    map_congested="ùn tắc",
    map_silent="mất tín hiệu",
    map_from="từ {value}",
    map_below="dưới {value}",
    map_impossible="Thiết bị này không vẽ được bản đồ (cần WebGL 2). Danh sách đơn vị bên cạnh có cùng số liệu.",
    map_unavailable="Chưa có ranh giới của địa bàn này.",
    units="Đơn vị cần chú ý trước",
    units_leader="Ai đang chậm?",
    units_note="đúng hạn 7 ngày; mục tiêu {value}",
    units_summary="{missed} trên {n} đơn vị dưới mục tiêu {value}",
    units_all_met="cả {n} đơn vị đạt mục tiêu {value}",
    units_empty="Địa bàn này chưa có đơn vị nào",
    units_more="Xem đủ {n} đơn vị",
    units_rate="đúng hạn",
    units_due_none="chưa có hồ sơ đến hạn",
    unit_name="Đơn vị",
    unit_rate="Đúng hạn",
    unit_gap="So với mục tiêu",
    unit_open="Đang xử lý",
    unit_overdue="Quá hạn",
    unit_overdue_of="{overdue} hồ sơ quá hạn",
    unit_speed="Tốc độ",
    segments="Đoạn đường chậm nhất",
    segments_note="km/h; {congested} đoạn ùn tắc trên {n}",
    segments_empty="Chưa có số liệu giao thông",
    segment_congested="ùn tắc",
    segment_slow="chậm",
    segment_free="thông suốt",
    sources="Nguồn số liệu",
    sources_note="{n} nguồn; {bad} cần xem",
    sources_empty="Chưa có nguồn nào gửi tin",
    source_name="Nguồn, lĩnh vực",
    source_last="Tin cuối",
    source_lag="Độ trễ",
    source_rate="Tin/phút",
    source_rejected="Bị từ chối",
    source_state="Trạng thái",
    front="Chọn màn hình",
    front_note="Các trung tâm mà tài khoản này được xem",
    front_empty="Tài khoản này chưa được giao trung tâm nào. Hãy nhờ quản trị viên cấp quyền.",
    page_wall="Tường",
    page_wall_note="màn hình lớn, nhìn từ xa",
    page_centre="Bàn trực",
    page_centre_note="máy tính của trực ban",
    page_leader="Lãnh đạo",
    page_leader_note="máy tính bảng",
    page_unknown="Không có trang này. Hãy chọn một màn hình ở trang đầu.",
    page_refused="Tài khoản này không được xem trung tâm đã chọn.",
    page_failed="Chưa đọc được số liệu từ kho. Hãy tải lại trang sau ít phút.",
)

EN: Final = Words(
    product="Intelligent operations centre",
    other_language="VI",
    other_language_hint="Chuyển sang tiếng Việt",
    other_theme_hint="Switch light and dark",
    connecting="connecting",
    connected="connected, updating",
    disconnected="server connection lost {age}",
    notice_disk_low="disk nearly full, intake paused",
    notice_messages_lost="messages lost in the last 24 h",
    session_over="This session has ended.",
    reload_page="Reload the page to sign in",
    all_pages="All pages",
    own_sessions="My sessions",
    own_sign_in="Change my password",
    administration="Administration",
    band_simulated="SIMULATED DATA",
    band_replay="REPLAYED DATA",
    band_exercise="EXERCISE",
    band_note="The figures on this page are not real figures of this place; do not use them in reports",
    origin_live="live",
    origin_manual="typed in",
    origin_simulated="simulated",
    origin_replay="replayed",
    origin_exercise="exercise",
    state_on_time="on time",
    state_late="late",
    state_stale="stale",
    state_silent="no signal",
    state_unknown="unknown",
    no_data_yet="no data yet",
    as_of_on_time="updated {age} ago",
    as_of_late="{age}",
    as_of_stale="{age}, from {time}",
    as_of_silent="{age}",
    last_known="last {value}, {time}",
    seconds="{s}\u00a0s",
    minutes="{m}\u00a0min",
    minutes_seconds="{m}\u00a0min {s}\u00a0s",
    hours="{h}\u00a0h",
    hours_minutes="{h}\u00a0h\u00a0{mm}",
    days="{d}\u00a0days",
    weekdays=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    hour_tick="{h}:00",
    target_at_least="target min {value}",
    target_at_most="target max {value}",
    missed_below="short by {value}",
    missed_above="over by {value}",
    met="target met",
    points="points",
    moved_up="up",
    moved_down="down",
    moved_level="unchanged",
    over_span="in {span}",
    reporting="from {m}/{n}",
    unit_dossiers="dossiers",
    unit_segments="segments",
    unit_vehicles="vehicles",
    name_prefixes=("Phường ", "Xã ", "Thị trấn ", "Thành phố ", "Thị xã ", "Huyện ", "Tỉnh "),
    kpis="Key figures",
    kpis_leader="Where do we stand?",
    kpis_note="{missed} of {n} targets missed",
    trend="Mean speed",
    trend_note="{unit}, last 24 hours",
    trend_empty="No data in the last 24 hours",
    trend_gap="no data",
    rush="rush hour {span}",
    map="Dossiers on time by unit",
    map_leader="Where?",
    map_note_lighter="last 7 days; lighter is slower",
    map_note_darker="last 7 days; darker is slower",
    map_schematic="borders and roads are schematic",
    map_no_data="no data",
    map_road="road",
    map_slow="slow, below {value}",
    map_congested="congested",
    map_silent="no signal",
    map_from="{value} or more",
    map_below="below {value}",
    map_impossible="This device cannot draw the map (WebGL 2 is needed). The list of units has the same figures.",
    map_unavailable="There are no borders for this area yet.",
    units="Units to attend to first",
    units_leader="Who is behind?",
    units_note="on time, 7 days; target {value}",
    units_summary="{missed} of {n} below the target of {value}",
    units_all_met="all {n} meet the target of {value}",
    units_empty="This area has no units yet",
    units_more="See all {n} units",
    units_rate="on time",
    units_due_none="no dossier was due",
    unit_name="Unit",
    unit_rate="On time",
    unit_gap="Against target",
    unit_open="Open",
    unit_overdue="Overdue",
    unit_overdue_of="{overdue} dossiers overdue",
    unit_speed="Speed",
    segments="Slowest road segments",
    segments_note="km/h; {congested} of {n} congested",
    segments_empty="No traffic data yet",
    segment_congested="congested",
    segment_slow="slow",
    segment_free="free",
    sources="Data sources",
    sources_note="{n} sources; {bad} to look at",
    sources_empty="No source has sent anything yet",
    source_name="Source, feed",
    source_last="Last message",
    source_lag="Lag",
    source_rate="Per min",
    source_rejected="Rejected",
    source_state="State",
    front="Choose a screen",
    front_note="The centres that this account may see",
    front_empty="This account has no centre yet. Ask an administrator for access.",
    page_wall="Wall",
    page_wall_note="large screen, seen from afar",
    page_centre="Desk",
    page_centre_note="computer of the duty officer",
    page_leader="Leader",
    page_leader_note="tablet",
    page_unknown="There is no such page. Choose a screen on the front page.",
    page_refused="This account may not see the chosen centre.",
    page_failed="The store could not be read. Reload the page in a few minutes.",
)

CATALOGUE: Final[dict[Language, Words]] = {"vi": VI, "en": EN}


def origin_word(words: Words, origin: str | None) -> str:
    """The word for an origin: nothing for what has none yet, its own name where it is not one of ours."""
    return "" if origin is None else str(getattr(words, f"origin_{origin}", origin))


_UNIT_WORDS: Final = {
    VI.unit_dossiers: "unit_dossiers",
    VI.unit_segments: "unit_segments",
    VI.unit_vehicles: "unit_vehicles",
}


def is_word(unit: str) -> bool:
    """Whether a unit of measurement is a word ("dossiers") and not a sign ("km/h")."""
    return unit in _UNIT_WORDS


def unit_word(words: Words, unit: str) -> str:
    """A unit of measurement in the language of the page. Declarations give it in Vietnamese, or as a sign."""
    return str(getattr(words, _UNIT_WORDS[unit])) if unit in _UNIT_WORDS else unit


@cache
def words_json(language: Language) -> str:
    """The catalogue of one language for the browser, with the words for units under the names of the declarations."""
    words = CATALOGUE[language]
    units = {unit: unit_word(words, unit) for unit in _UNIT_WORDS}
    return json.dumps({**asdict(words), "units_of": units}, ensure_ascii=False)
