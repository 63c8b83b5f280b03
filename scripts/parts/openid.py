"""An OpenID provider: the certified `oidc-provider` from npm, on Node.js 18 or newer, with accounts of a test.

Its packages are those of `openid_provider/package-lock.json`, each with its hash, and are kept in
`.parts/openid/<digest of that file>`; no script of theirs is run when they are got. It listens on loopback only, and
makes its signing keys anew at each start.
"""

import hashlib
import json
import re
import secrets
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from scripts.parts import FOLDER, PartError, debian
from scripts.parts.server import Server, free_port

PORT: Final = 19080
LEAST_NODE: Final = 18
PACKAGES_VARIABLE: Final = "IOC_TEST_OPENID"
_SOURCE: Final = Path(__file__).resolve().parent / "openid_provider"
_LOCKED: Final = ("package.json", "package-lock.json")


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody whom the provider knows: what they type there, and what it says of them."""

    subject: str
    login: str
    password: str
    claims: dict[str, Any]


def find(stated: str | None = None) -> Path | None:
    """The folder of the packages, if they are there and Node.js is; `stated` names another."""
    home = Path(stated) if stated else _home()
    there = (home / "node_modules" / "oidc-provider" / "package.json").is_file()
    return home if there and node_version() >= LEAST_NODE else None


def get() -> Path:
    """The folder of the packages, fetched if they are not there."""
    if found := find():
        return found
    if node_version() < LEAST_NODE or shutil.which("npm") is None:
        debian.install("nodejs", "npm")
    if node_version() < LEAST_NODE:
        raise PartError(f"Node.js {LEAST_NODE} or newer is needed, and `node` is older")
    _fetch(_home())
    return _home()


def node_version() -> int:
    """The major version of `node`; 0 where there is none."""
    if shutil.which("node") is None:
        return 0
    answer = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)\.", answer.stdout)
    return int(found[1]) if found else 0


def _home() -> Path:
    digest = hashlib.sha256((_SOURCE / "package-lock.json").read_bytes()).hexdigest()
    return FOLDER / "openid" / digest[:12]


def _fetch(home: Path) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as folder:
        for name in _LOCKED:
            shutil.copy(_SOURCE / name, folder)
        answer = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            reasons = re.findall(r"npm (?:ERR!|error) (.+)", answer.stderr) or ["npm failed"]
            raise PartError(f"oidc-provider: {'; '.join(reasons[:2])}")
        # All of it or nothing: what was broken off half-way is not found.
        shutil.rmtree(home, ignore_errors=True)
        Path(folder).rename(home)
        Path(folder).mkdir()


TRIAL: Final = (Account("s-lan", "lan", "lan of the trial", {"preferred_username": "lan", "name": "Trần Thị Lan"}),)
"""Whom the provider of `scripts/services start openid` knows."""


class OpenId(Server):
    """One provider with one client, which may be sent back to any port of 127.0.0.1."""

    name = "openid"

    def __init__(
        self,
        folder: Path,
        port: int = 0,
        *,
        accounts: Sequence[Account] = (),
        callback: str = "/sign-in/openid/callback",
        claims_in_id_token: bool = False,
        packages: Path | None = None,
    ) -> None:
        super().__init__(folder, port or free_port())
        self.client = "ioc"
        self.secret = secrets.token_urlsafe(32)
        self._accounts = accounts
        self._callback = callback
        self._claims_in_id_token = claims_in_id_token
        self._packages = packages or get()

    @property
    def issuer(self) -> str:
        """Another site than 127.0.0.1, so that a browser treats it as a provider on another host."""
        return f"http://localhost:{self.port}"

    @property
    def settings_file(self) -> Path:
        return self.folder / "settings.json"

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        stated = {
            "issuer": self.issuer,
            "port": self.port,
            "client": self.client,
            "secret": self.secret,
            "redirects": [f"http://127.0.0.1{self._callback}"],
            "claimsInIdToken": self._claims_in_id_token,
            "accounts": [asdict(one) for one in self._accounts],
        }
        self.settings_file.touch(mode=0o600)
        self.settings_file.write_text(json.dumps(stated, ensure_ascii=False), encoding="utf-8")

    def command(self) -> Sequence[str]:
        return ["node", str(_SOURCE / "provider.mjs"), str(self._packages), str(self.settings_file)]

    def is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/.well-known/openid-configuration", timeout=1
            ) as answer:
                return bool(json.load(answer)["issuer"] == self.issuer)
        except (OSError, ValueError, KeyError):
            return False
