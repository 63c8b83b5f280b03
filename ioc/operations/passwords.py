"""What a new password must be: NIST SP 800-63B-4, section 3.1.1.2, for passwords that are the only factor.

Long rather than varied: at least 12 characters of any kind, Unicode and spaces too, no rules about kinds, no end by
age. Compared as a whole with what guessers try first: the commonest passwords, the person's own login and name, the
names of the product, and derivations of these (capitals, accents, digits, signs, o written 0).

Refused: a password of which less than four different letters remain when those words are taken out.

The list is short on purpose. It was written by hand from what the yearly studies of leaked passwords (NordPass "Top 200
Most Common Passwords", the world and Viet Nam, 2021 to 2025; NCSC and Have I Been Pwned, 2019) say of the first ranks,
reduced to the words in them, since digits and signs are taken out anyway. It is not a check against all known leaks:
that would need a large list, or a request that leaves the machine.
"""

import re
import unicodedata
from typing import Final

from ioc.errors import BadRequest
from ioc.operations.gatekeeping import LONGEST_PASSWORD, hash_password, normal_password

SHORTEST_PASSWORD: Final = 12
LEAST_OF_ITS_OWN: Final = 4

# What Vietnamese people and the world choose first, without digits, signs and accents.
_COMMON: Final = """
anhnhoem anhyeuem bongda cuocsong chungta congty conyeu daica dangcapnhat dangyeu doimatkhau emyeuanh giadinh
hanhphuc hanoi hochiminh hoilamgi khongbiet khongco khongcomatkhau khongnho lamgi maimai maiyeuem matkhau matkhaumoi
matkhaula minhyeu ngocanh nguoiyeu nguyen quenmatkhau saigon sinhnhat thanhcong tinhyeu tuoitre vietnam vodoi xinchao
yeuanh yeuem yeumai tran thi van phuong thanh tuan hung minh linh huong
abc abcd abcde abcdef abcdefg abcdefgh access admin administrator asdf asdfgh asdfghjkl azerty baseball batman boss
changeme charlie computer daniel default demo donald dragon facebook football freedom gmail google guest hello
hellokitty iloveyou internet jordan kenboy killer letmein login lovely loveyou master michael monkey mustang mypassword
naruto newpassword ninja nothing passw passwd password pokemon princess qazwsx qazwsxedc qwert qwerty qwertyui
qwertyuiop root samsung secret server shadow starwars sunshine superman system temp temporary test tester trustno
user welcome whatever winner yahoo zaq zaqxsw zxcvbn zxcvbnm pass word love
"""
# Whoever guesses at this centre begins with what it calls itself.
_OF_THE_PRODUCT: Final = """
ioc trungtam giamsat dieuhanh thongminh trungtamdieuhanh dothithongminh bangdieukhien tinh thanhpho quantri quanly
lanhdao truongphong trucban binhduong bencat thudaumot
operations centre center intelligent dashboard operator supervisor viewer leader wall
"""
_SWAPS: Final = str.maketrans("@04135$7!|", "aoaiesst" + "il")
_NO_LETTER: Final = re.compile(r"[\W\d_]+")


def new_password_hash(password: str, *, login: str, name: str = "") -> str:
    """The argon2id hash of a new password; BadRequest, with the rule that it breaks, for one that is refused."""
    normal = normal_password(password)
    if len(normal) < SHORTEST_PASSWORD:
        raise BadRequest(
            f"A password needs at least {SHORTEST_PASSWORD} characters: a few words are good.", rule="password_short"
        )
    if len(normal) > LONGEST_PASSWORD:
        raise BadRequest(f"A password has at most {LONGEST_PASSWORD} characters.", rule="password_long")
    if is_easy_to_guess(normal, login, name):
        raise BadRequest(
            "This password is too easy to guess: use a few words that do not belong together, not your name.",
            rule="password_easy",
        )
    return hash_password(normal)


def is_weak(secret: str, of: str) -> bool:
    """Whether a password of a program is shorter or easier to guess than a person's may be; `of` is whose it is."""
    normal = normal_password(secret)
    return len(normal) < SHORTEST_PASSWORD or is_easy_to_guess(normal, of, "")


def is_easy_to_guess(password: str, login: str, name: str) -> bool:
    """Whether too little is the password's own, read as it stands or with 0 for o and the like read as letters."""
    plain = _plain(password)
    own = _NO_LETTER.split(_plain(f"{login} {name}"))
    words = {*_COMMON.split(), *_OF_THE_PRODUCT.split(), *(word for word in own if len(word) > 1)}
    words |= {_NO_LETTER.sub("", _plain(one)) for one in (login, name)} - {""}
    known = re.compile("|".join(sorted(words, key=lambda word: (-len(word), word))))
    return any(
        len(set(known.sub("", _NO_LETTER.sub("", read)))) < LEAST_OF_ITS_OWN
        for read in (plain, plain.translate(_SWAPS))
    )


def _plain(text: str) -> str:
    """Small letters without accents."""
    parts = unicodedata.normalize("NFKD", text.casefold().replace("đ", "d"))
    return "".join(sign for sign in parts if not unicodedata.combining(sign))
