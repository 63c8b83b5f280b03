"""Every setting of the centre, with its unit, default, range and reason.

Settings come from environment variables `IOC_…`, then from a TOML file (`IOC_CONFIG`, else `ioc.toml` in the
current folder if it is there), then from the defaults below. They are read once, when a program starts, and
never change.

Refused: a name that does not exist (the nearest one is named), a value out of its range, settings that
contradict each other. An error names the key and the value, but never a password.

`docs/settings.md` is this file as a table: `python -m ioc.settings > docs/settings.md`.
"""

import difflib
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from ioc.errors import SettingsError

PREFIX: Final = "IOC_"
CONFIG_FILE: Final = "ioc.toml"
# Names with our prefix that are not settings of the centre: the file's name, the simulators' and the tests'.
NOT_SETTINGS: Final = frozenset({"IOC_CONFIG", "IOC_URL", "IOC_KEY", "IOC_PROVE"})
NOT_SETTINGS_PREFIXES: Final = ("IOC_TEST_", "IOC_BENCH_")
PROJECT: Final = Path(__file__).resolve().parent.parent
LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "::1")

_PASSWORD = re.compile(r"(://[^/@\s:]*:)[^/@\s]*@")


def without_password(text: str) -> str:
    """The text with the password of any URL in it replaced by `***`."""
    return _PASSWORD.sub(r"\1***@", text)


def _setting(default: Any, *, unit: str, reason: str, ge: float | None = None, le: float | None = None) -> Any:
    """One setting: its default (or a function of the settings above it), unit, range and reason."""
    described: dict[str, Any] = {
        "description": reason,
        "json_schema_extra": {"unit": unit},
        "ge": ge,
        "le": le,
    }
    if callable(default):
        return Field(default_factory=default, **described)
    return Field(default, **described)


class Settings(BaseModel):
    """All settings; immutable. Unit, default, range and reason stand beside each."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    # Where it stands
    data: Path = _setting(
        Path("data"),
        unit="folder",
        reason="holds all that the embedded defaults write: store, log, keys, program logs",
    )
    host: str = _setting(
        "127.0.0.1",
        unit="address",
        reason="only this machine can connect, until a proxy with TLS stands in front",
    )
    port: int = _setting(8050, unit="TCP port", ge=1, le=65535, reason="Dash's usual port")
    public_url: str = _setting(
        lambda known: f"http://{known.get('host', '127.0.0.1')}:{known.get('port', 8050)}",
        unit="URL",
        reason="what browsers call this centre; sign-in links and the check of `Origin` use it",
    )
    broker: str = _setting(
        "embedded",
        unit="`embedded` or `kafka://host:port,…`",
        reason="the embedded log needs no server; Kafka carries more than one machine",
    )
    store: str = _setting(
        lambda known: f"sqlite:///{known.get('data', 'data')}/ioc.db",
        unit="SQLAlchemy URL",
        reason="SQLite needs no server; PostgreSQL carries many writers",
    )

    # Kafka, where `broker` names it
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = _setting(
        "PLAINTEXT", unit="protocol", reason="a broker on the same network needs none; SASL_SSL across networks"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = _setting(
        "SCRAM-SHA-512", unit="mechanism", reason="PLAIN shows the password to whoever listens without TLS"
    )
    kafka_username: str = _setting("", unit="name", reason="whom Kafka's access lists name, with SASL")
    kafka_password: SecretStr = _setting(SecretStr(""), unit="secret", reason="of that user; never logged")
    kafka_ca_file: str = _setting(
        "", unit="file", reason="who signs the brokers' certificates; empty: whom this machine trusts anyway"
    )
    kafka_partitions: int = _setting(
        4,
        unit="partitions",
        ge=1,
        le=256,
        reason="of each topic that `setup` makes: as many `ingest` programs can share the work",
    )
    kafka_replication: int = _setting(
        1, unit="copies", ge=1, le=9, reason="one broker can keep one; with three brokers, 3 survive the loss of one"
    )
    kafka_keep: int = _setting(
        168, unit="hours", ge=1, le=87_600, reason="a week: long enough to repair the store and read again"
    )

    # The territory
    province: str = _setting("binh_duong", unit="folder name", reason="the province that this centre serves")
    province_dir: Path = _setting(
        PROJECT / "provinces",
        unit="folder",
        reason="one folder of data for each province; time zone included",
    )
    default_language: Literal["vi", "en"] = _setting(
        "vi", unit="language", reason="what a screen shows until its user chooses"
    )

    # What may be shown
    production: bool = _setting(
        False,
        unit="true/false",
        reason="a production centre refuses simulated data and sends its cookies over TLS only",
    )
    allow_simulated: bool = _setting(
        lambda known: not known.get("production", False),
        unit="true/false",
        reason="a trial shows an imaginary province, marked as such; production never does",
    )

    # How long each level of windows is kept; days are kept for ever
    keep_10s: int = _setting(2, unit="days", ge=1, le=31, reason="finest windows: the current picture and late data")
    keep_1m: int = _setting(14, unit="days", ge=1, le=366, reason="two weeks to look into an incident by the minute")
    keep_15m: int = _setting(90, unit="days", ge=1, le=3660, reason="a quarter to compare rush hours")
    keep_1h: int = _setting(730, unit="days", ge=1, le=36600, reason="two years, so that each hour has its last year's")
    keep_log: int = _setting(
        48, unit="hours", ge=1, le=8760, reason="embedded log: long enough to repair the store and read again"
    )
    rollup_every: float = _setting(
        10.0,
        unit="s",
        ge=0.1,
        le=60,
        reason="how often jobs work off what changed: a bucket that many batches touch is then made anew once",
    )
    rollup_lag: float = _setting(
        60.0, unit="s", ge=1, le=3600, reason="roll-ups older than this make `/readyz` and `check` complain"
    )

    # The disk
    disk_reserve: int = _setting(
        500,
        unit="MB",
        ge=8,
        le=1_000_000,
        reason="with less left, ingest and the intake wait, so that roll-ups, forgetting and sign-in can still write",
    )
    ballast: int = _setting(
        64,
        unit="MB",
        ge=0,
        le=100_000,
        reason="a file that is given up when others fill the disk: dropping what is old needs room too; 0: none",
    )

    # Ingest
    ingest_batch: int = _setting(
        20_000,
        unit="records",
        ge=100,
        le=50_000,
        reason="most records in one transaction: more is faster until memory and lock time grow",
    )
    instance: str = _setting(
        "",
        unit="name",
        reason="of this program among several `ingest` that share the work: with a name that is its own and stays, its"
        " share goes on at once after a restart; empty: a new name at each start, and its share rests for 6 s",
    )
    ingest_linger: float = _setting(
        0.2,
        unit="s",
        ge=0.01,
        le=5,
        reason="how long a batch waits to fill; half of the time until a screen changes",
    )
    future_tolerance: int = _setting(
        300,
        unit="s",
        ge=0,
        le=3600,
        reason="clocks of senders differ; what is dated further ahead is a dead letter",
    )
    idempotency_horizon: int = _setting(
        3600, unit="s", ge=60, le=604_800, reason="how long a batch sent again under the same key is known"
    )
    dead_letter_cap: int = _setting(
        100,
        unit="rows",
        ge=1,
        le=100_000,
        reason="per source, reason and hour; beyond it only counts and offset ranges: a flood fills no disk",
    )
    dead_letter_keep: int = _setting(
        7,
        unit="days",
        ge=1,
        le=366,
        reason="raw bytes may hold personal data and are not kept longer than needed",
    )
    dead_letter_bytes: int = _setting(
        4096, unit="bytes", ge=0, le=1_048_576, reason="enough of a message to see what is wrong with it"
    )

    # The intake and the gate
    max_message_bytes: int = _setting(
        1_048_576,
        unit="bytes",
        ge=1024,
        le=16_777_216,
        reason="one message; larger ones are refused before parsing",
    )
    max_body_bytes: int = _setting(
        16_777_216,
        unit="bytes",
        ge=65_536,
        le=268_435_456,
        reason="one request to the intake, compressed or not",
    )
    intake_requests: float = _setting(
        50.0, unit="requests/s", ge=0.1, le=10_000, reason="for each API key; beyond it 429 with Retry-After"
    )
    intake_messages: float = _setting(
        20_000.0,
        unit="messages/s",
        ge=1,
        le=10_000_000,
        reason="for each API key; one sender cannot starve the others",
    )
    session_idle: int = _setting(
        43_200,
        unit="s",
        ge=60,
        le=2_592_000,
        reason="a shift of twelve hours; an open live page counts as use",
    )
    session_absolute: int = _setting(
        2_592_000, unit="s", ge=300, le=31_536_000, reason="a wall stays signed in for thirty days at most"
    )
    screen_life: int = _setting(
        7_776_000,
        unit="s",
        ge=3600,
        le=31_536_000,
        reason="how long a wall screen that is switched off stays signed in; one that is in use renews itself",
    )
    link_life: int = _setting(
        86_400, unit="s", ge=60, le=604_800, reason="how long a one-time sign-in link waits for its only use"
    )

    # Sign-in through OpenID Connect (docs/openid.md); without an issuer there is none
    openid_issuer: str = _setting(
        "", unit="URL", reason="the provider that says who somebody is, exactly as its own document names itself"
    )
    openid_client_id: str = _setting("", unit="name", reason="of this centre at the provider")
    openid_client_secret: SecretStr = _setting(
        SecretStr(""), unit="secret", reason="of this centre at the provider, at least 16 characters; never logged"
    )
    openid_title_vi: str = _setting(
        "tài khoản của tỉnh", unit="words", reason="what the button of the sign-in page calls the provider"
    )
    openid_title_en: str = _setting("your province's account", unit="words", reason="the same in English")
    openid_login_claim: str = _setting(
        "preferred_username",
        unit="claim",
        reason="what of the provider's words must equal a login here the first time; `email` only where it is verified",
    )

    # The audit trail
    audit_kept_days: int = _setting(
        730,
        unit="days",
        ge=30,
        le=36_600,
        reason="two years: what is complained about or examined a year later can be shown; a legal hold keeps more",
    )

    # Logs
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", unit="level", reason="least serious event that is written"
    )
    log_format: Literal["auto", "json", "text"] = _setting(
        "auto", unit="form", reason="auto: text on a terminal, JSON elsewhere"
    )

    @field_validator("data", "province_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @field_validator("province")
    @classmethod
    def _is_folder_name(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z0-9_-]+", value):
            raise ValueError("must be the name of a folder in province_dir: small letters, digits, _ and -")
        return value

    @field_validator("broker")
    @classmethod
    def _is_broker(cls, value: str) -> str:
        host_and_port = r"[^\s,:/@]+:\d{1,5}"
        if value != "embedded" and not re.fullmatch(rf"kafka://{host_and_port}(,{host_and_port})*", value):
            raise ValueError("must be `embedded` or `kafka://host:port,…`")
        return value

    @field_validator("store")
    @classmethod
    def _is_store(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql+psycopg://", "postgresql://")):
            raise ValueError("must begin with sqlite:/// or postgresql+psycopg://")
        return re.sub(r"^postgresql://", "postgresql+psycopg://", value)

    @field_validator("openid_issuer")
    @classmethod
    def _is_issuer(cls, value: str) -> str:
        try:
            url = urlsplit(value)
        except ValueError:
            url = urlsplit("")
        on_this_machine = url.scheme == "http" and url.hostname in LOOPBACK_NAMES
        if value and (not url.hostname or "@" in url.netloc or url.query or url.fragment):
            raise ValueError("must be the URL of an OpenID provider without a user, `?` or `#`")
        if value and url.scheme != "https" and not on_this_machine:
            raise ValueError("must begin with https:// (http:// is for a provider on this machine)")
        return value

    @field_serializer("kafka_password", "openid_client_secret", when_used="json")
    def _secret_for_children(self, value: SecretStr) -> str:
        return value.get_secret_value()

    @field_validator("public_url")
    @classmethod
    def _is_public_url(cls, value: str) -> str:
        if not re.fullmatch(r"https?://[^\s/?#@]+", value.rstrip("/")):
            raise ValueError("must be http(s)://host[:port] without a path")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.production and self.allow_simulated:
            raise ValueError("allow_simulated=True contradicts production=True: leave one of them out")
        kept = {name: getattr(self, name) for name in ("keep_10s", "keep_1m", "keep_15m", "keep_1h")}
        if list(kept.values()) != sorted(kept.values()):
            raise ValueError(f"a coarser level must be kept at least as long as a finer one, but {kept}")
        if self.max_message_bytes > self.max_body_bytes:
            raise ValueError("max_message_bytes must not be larger than max_body_bytes")
        if self.ballast > self.disk_reserve:
            raise ValueError(f"ballast={self.ballast} must not be larger than disk_reserve={self.disk_reserve}")
        if self.kafka_security_protocol.startswith("SASL_") and not self.kafka_username:
            raise ValueError(f"kafka_security_protocol={self.kafka_security_protocol} needs kafka_username")
        if self.openid_issuer and not (self.openid_client_id and self.openid_login_claim):
            raise ValueError("openid_issuer needs openid_client_id and openid_login_claim")
        if self.openid_issuer and len(self.openid_client_secret.get_secret_value()) < 16:
            raise ValueError("openid_issuer needs an openid_client_secret of at least 16 characters")
        return self

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, *, folder: Path | None = None) -> Self:
        """Read the settings.

        `environ` is `os.environ` unless given; `ioc.toml` may stand in `folder` (default: the current one).
        Raises SettingsError for the first thing that is wrong.
        """
        environ = os.environ if environ is None else environ
        stated: dict[str, tuple[str, Any]] = {}  # setting -> (where it was stated, value)
        path = _config_path(environ, folder or Path.cwd())
        if path is not None:
            for key, value in _read_toml(path).items():
                stated[_known(key, key.lower(), f"{path}")] = (f"{key} in {path}", value)
        for variable, text in environ.items():
            if variable.startswith(PREFIX) and not _is_for_others(variable):
                secret = _secret_in_file(variable)
                if secret is None:
                    key = _known(variable, variable.removeprefix(PREFIX).lower(), "the environment")
                    stated[key] = (variable, text)
                else:
                    stated[secret] = (variable, _read_secret(variable, text, environ))
        try:
            return cls.model_validate({key: value for key, (_, value) in stated.items()})
        except ValidationError as error:
            raise SettingsError(_sentence(error, stated)) from None

    def environ(self) -> dict[str, str]:
        """These settings as environment variables, so that a child program has exactly the same."""
        values = self.model_dump(mode="json")
        return {PREFIX + name.upper(): _as_text(value) for name, value in values.items()}


def _secret_in_file(variable: str) -> str | None:
    """The secret whose file a variable names: `IOC_KAFKA_PASSWORD_FILE` for `kafka_password`."""
    name = variable.removeprefix(PREFIX).lower()
    named = name.removesuffix("_file")
    field = Settings.model_fields.get(named)
    # The URL of the store may hold a password.
    is_secret = field is not None and (field.annotation is SecretStr or named == "store")
    return named if is_secret and named != name else None


def _read_secret(variable: str, path: str, environ: Mapping[str, str]) -> str:
    """What stands in the file, without the end of its line."""
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(f"{variable} names {path}, which cannot be read: {reason}.") from None
    direct = variable.removesuffix("_FILE")
    if environ.get(direct, text) != text:  # child programs are given both, and both say the same
        raise SettingsError(f"{variable} and {direct} say different things: state one of them.")
    return text


def _is_for_others(variable: str) -> bool:
    return variable in NOT_SETTINGS or variable.startswith(NOT_SETTINGS_PREFIXES)


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value).lower() if isinstance(value, bool) else str(value)


def _config_path(environ: Mapping[str, str], folder: Path) -> Path | None:
    if named := environ.get("IOC_CONFIG"):
        path = Path(named).expanduser()
        if not path.is_file():
            raise SettingsError(f"IOC_CONFIG names {path}, which is not a file: create it or unset IOC_CONFIG.")
        return path
    path = folder / CONFIG_FILE
    return path if path.is_file() else None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None


def _known(stated: str, key: str, where: str) -> str:
    if key in Settings.model_fields:
        return key
    near = difflib.get_close_matches(key, Settings.model_fields, n=1, cutoff=0.5)
    named = f"{PREFIX}{near[0].upper()}" if near and stated.startswith(PREFIX) else "".join(near)
    advice = f"did you mean {named}?" if near else "docs/settings.md lists those that exist."
    raise SettingsError(f"There is no setting {stated} (found in {where}): {advice}")


def _sentence(error: ValidationError, stated: Mapping[str, tuple[str, Any]]) -> str:
    first = error.errors(include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return f"The settings contradict each other: {message}."
    key = str(first["loc"][0])
    where = stated[key][0] if key in stated else f"{key} (its default)"
    value = "***" if key.endswith(("password", "secret")) else without_password(repr(first["input"]))
    return f"The setting {where} cannot be {value}: {message[:1].lower()}{message[1:]}."


def _limits(name: str) -> str:
    least = most = ""
    for rule in Settings.model_fields[name].metadata:
        least = str(rule.ge) if hasattr(rule, "ge") else least
        most = str(rule.le) if hasattr(rule, "le") else most
    return f"{least} – {most}" if least or most else ""


_COMPUTED_DEFAULTS: Final = {
    "public_url": "`http://host:port`",
    "store": "`sqlite:///` + data + `/ioc.db`",
    "province_dir": "`provinces`, beside the program",
    "allow_simulated": "not production",
}


def as_markdown() -> str:
    """The table of docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Environment variables, or the same names in small letters without `IOC_` in a TOML file",
        "(`IOC_CONFIG`, else `ioc.toml` in the current folder). The environment wins.",
        "A secret, or `IOC_STORE` with the password in it, may stand in a file instead, which a variable with the",
        "ending `_FILE` names: `IOC_KAFKA_PASSWORD_FILE=/run/secrets/kafka`.",
        "This page is made by `python -m ioc.settings > docs/settings.md`.",
        "",
        "| variable | unit | default | range | reason |",
        "|---|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        unit = extra["unit"] if isinstance(extra, dict) else ""
        stated = _as_text(field.default)
        default = _COMPUTED_DEFAULTS.get(name) or (f"`{stated}`" if stated else "none")
        lines.append(f"| `{PREFIX}{name.upper()}` | {unit} | {default} | {_limits(name)} | {field.description} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
