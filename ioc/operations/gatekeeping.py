"""What holds the door: random tokens, passwords, and how often one may try.

Passwords are hashed with argon2id at the parameters of OWASP's Password Storage Cheat Sheet (19 MiB, 2 passes, 1 lane).
Tokens are 256 random bits, so a plain SHA-256 is enough to keep them by.

Refused: locking an account. A lock would let anybody shut anybody out; instead each try costs waiting time.
"""

import hashlib
import re
import secrets
import threading
import unicodedata
from functools import cache
from ipaddress import IPv6Network, ip_address
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from ioc.errors import TooMany

HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)
LONGEST_PASSWORD: Final = 256  # hashing more would only be work that others can order
_KEPT_RATES: Final = 10_000

# A path of this centre: never another host ("//…", "/\…"), never a control character.
_LOCAL_PATH: Final = re.compile(r"/(?![/\\])[A-Za-z0-9/_.~%?=&,:;@+-]{0,1000}")


def new_token() -> str:
    """256 random bits, in 43 letters that need no escaping in a URL."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def is_local_path(path: str) -> bool:
    """Whether a browser may be sent there after sign-in."""
    return _LOCAL_PATH.fullmatch(path) is not None


# --- passwords -------------------------------------------------------------------------------------------------


def hash_password(password: str) -> str:
    """The argon2id hash of a password; whether a new one is good enough is asked in passwords.py."""
    return HASHER.hash(normal_password(password))


def check_password(password_hash: str | None, password: str) -> bool:
    """Whether the password fits; takes as long for somebody who does not exist (None) as for somebody who does."""
    normal = normal_password(password[: LONGEST_PASSWORD + 1])
    try:
        HASHER.verify(password_hash or decoy_hash(), normal)
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None and len(password) <= LONGEST_PASSWORD


def needs_new_hash(password_hash: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return HASHER.check_needs_rehash(password_hash)


@cache
def decoy_hash() -> str:
    """What the passwords of unknown people are compared with; call it once at start-up, so that it costs nobody."""
    return HASHER.hash(new_token())


def normal_password(password: str) -> str:
    """One form for the same letters: Vietnamese keyboards send them composed or decomposed."""
    return unicodedata.normalize("NFKC", password)


# --- how often -------------------------------------------------------------------------------------------------


class Rate:
    """At most `burst` at once and `per_second` in the long run, for each key; in this process's memory.

    A bucket of tokens, kept as the one time at which it will be full again. `now` is seconds, of any
    clock. What costs more than the burst is let in when the bucket is full, and then owed.
    """

    def __init__(self, per_second: float, burst: float, *, what: str) -> None:
        self._interval = 1.0 / per_second
        self._burst = burst
        self._what = what
        self._full_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, key: str, now: float, cost: float = 1.0) -> None:
        """Take `cost` from the key's bucket; TooMany, with the time to wait, if there is not enough in it."""
        with self._lock:
            full_at = max(self._full_at.get(key, now), now)
            missing_s = full_at - now + min(cost, self._burst) * self._interval - self._burst * self._interval
            if missing_s > 1e-9:
                raise TooMany(
                    f"Too many {self._what}: try again in {missing_s:.0f} s.", retry_after_s=max(1.0, missing_s)
                )
            if key not in self._full_at and len(self._full_at) >= _KEPT_RATES:
                self._forget(now)
            self._full_at[key] = full_at + cost * self._interval

    def give_back(self, key: str, cost: float = 1.0) -> None:
        with self._lock:
            if key in self._full_at:
                self._full_at[key] -= cost * self._interval

    def _forget(self, now: float) -> None:
        """Forget full buckets; under a flood of new keys also the least used ones, so that memory stays bounded."""
        kept = {key: at for key, at in self._full_at.items() if at > now}
        if len(kept) >= _KEPT_RATES:
            most_used = sorted(kept, key=kept.__getitem__, reverse=True)[: _KEPT_RATES // 2]
            kept = {key: kept[key] for key in most_used}
        self._full_at = kept


class SignInLimits:
    """How often one may try to sign in. Only failures count: a right password gives its tries back.

    Three buckets, because each alone fails somebody: of one login from one address (guessing), of one address
    (one attacker, many logins), of one login (many attackers). The last is wide, so that strangers who guess at a
    login delay its owner by seconds, and never lock them out.
    """

    def __init__(self) -> None:
        self._pair = Rate(1 / 30, 5, what="tries with this login")
        self._address = Rate(1 / 5, 30, what="tries from this address")
        self._login = Rate(1 / 5, 50, what="tries with this login")

    def take(self, login: str, address: str, now: float) -> None:
        """Count one try; TooMany if it must wait. A try that is refused is not counted anywhere."""
        taken: list[tuple[Rate, str]] = []
        try:
            for rate, key in self._buckets(login, address):
                rate.take(key, now)
                taken.append((rate, key))
        except TooMany:
            for rate, key in taken:
                rate.give_back(key)
            raise

    def give_back(self, login: str, address: str) -> None:
        for rate, key in self._buckets(login, address):
            rate.give_back(key)

    def _buckets(self, login: str, address: str) -> tuple[tuple[Rate, str], ...]:
        network = network_of(address)
        return ((self._pair, f"{network} {login}"), (self._address, network), (self._login, login))


def network_of(address: str) -> str:
    """Whom to hold responsible for an address: of IPv6 one customer has a whole /64."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    if known.version == 4:
        return address
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(IPv6Network((known, 64), strict=False))
