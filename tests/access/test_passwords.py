"""Which new passwords are taken, and by which rule the others are refused."""

import pytest

from ioc.errors import BadRequest
from ioc.operations.gatekeeping import check_password
from ioc.operations.passwords import new_password_hash


@pytest.mark.parametrize(
    "password",
    [
        "một mật khẩu dài",
        "correct horse battery staple",
        "a long enough password",
        "chín con trâu ăn ngô",
        "con trâu trắng 1987",
        "xkqz vwpr mnty",
        "горы и реки летом",
        "Lan thích phở gà buổi sáng",
    ],
)
def test_a_few_words_make_a_good_password(password: str) -> None:
    assert check_password(new_password_hash(password, login="lan", name="Trần Thị Lan"), password)


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("", "password_short"),
        ("eleven char", "password_short"),
        ("x" * 257, "password_long"),
        ("aaaaaaaaaaaaaaaa", "password_easy"),
        ("123456789012", "password_easy"),
        ("0909 123 456 789", "password_easy"),
        ("password12345", "password_easy"),
        ("P@ssw0rd2026!", "password_easy"),
        ("Matkhau@2026", "password_easy"),
        ("Mật khẩu 123456", "password_easy"),
        ("anhyeuem1990!", "password_easy"),
        ("qwertyuiop123", "password_easy"),
        ("Binhduong@2026", "password_easy"),
        ("IOC.BenCat.2026", "password_easy"),
        ("tran.thi.lan.1", "password_easy"),
        ("TranThiLan2026", "password_easy"),
        ("lan@binhduong.vn", "password_easy"),
        ("passwordpasswordpassword", "password_easy"),
        ("!!!!@@@@####$$$$", "password_easy"),
    ],
)
def test_what_guessers_try_first_is_refused(password: str, rule: str) -> None:
    with pytest.raises(BadRequest) as refused:
        new_password_hash(password, login="tran.thi.lan", name="Trần Thị Lan")
    assert refused.value.rule == rule
    assert password == "" or password not in str(refused.value)


def test_composed_and_decomposed_letters_count_alike() -> None:
    with pytest.raises(BadRequest, match="12"):
        new_password_hash("e\u0302\u0301" * 11, login="lan")
