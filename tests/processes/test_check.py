"""`check`: each thing that can be wrong is found and named, and nothing is changed."""

import io
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ioc.feeds import FEEDS
from ioc.processes import check
from ioc.settings import Settings
from scripts.parts.server import free_port
from tests.conftest import KafkaServer

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A machine on which all is well."""
    province = tmp_path / "provinces" / "somewhere"
    province.mkdir(parents=True)
    (province / "province.toml").write_text('id = "somewhere"\ntimezone = "Asia/Ho_Chi_Minh"\n')
    for name, columns in check.PROVINCE_FILES.items():
        (province / name).write_text(",".join(columns) + "\n")
    (tmp_path / "data").mkdir(mode=0o700)
    return Settings(data=tmp_path / "data", province_dir=province.parent, province="somewhere", port=free_port())


def own_checks(settings: Settings, now: datetime = NOW) -> dict[str, str]:
    """What this module's own checks find wrong: subject -> words."""
    own = (check.secrets, check.data_folder, check.disk_space, check.clock, check.port, check.province)
    return {found.subject: found.words for one in own for found in one(settings, now) if not found.is_fine}


def test_nothing_is_found_on_a_machine_on_which_all_is_well(settings: Settings) -> None:
    assert own_checks(settings) == {}


def test_the_exit_code_and_the_last_line_say_whether_anything_is_wrong(settings: Settings) -> None:
    out = io.StringIO()
    assert check.main(settings, out=out, now=datetime(2020, 1, 1, tzinfo=UTC)) == 1
    assert "WRONG  clock" in out.getvalue()
    assert "found something wrong" in out.getvalue().splitlines()[-1]


def test_a_missing_data_folder_is_fine_and_not_made(settings: Settings) -> None:
    settings.data.rmdir()
    assert own_checks(settings) == {}
    assert not settings.data.exists()


def test_open_rights_are_found(settings: Settings) -> None:
    key = settings.data / "simulators.key"
    key.write_text("secret")
    key.chmod(0o644)
    assert "chmod 600" in own_checks(settings)["data folder"]
    key.chmod(0o600)
    settings.data.chmod(0o755)
    assert "chmod o-rwx" in own_checks(settings)["data folder"]


def test_a_clock_before_the_data_is_found(settings: Settings) -> None:
    store = settings.data / "ioc.db"
    store.touch()
    later = (NOW + timedelta(days=2)).timestamp()
    os.utime(store, (later, later))
    assert "2026-11-22" in own_checks(settings)["clock"]


def test_a_port_of_another_program_is_found(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.port))  # and refuses to talk
        assert "IOC_PORT" in own_checks(settings)["port"]


class Centre(BaseHTTPRequestHandler):
    """The two routes of a running centre that `check` asks."""

    ready = True

    def do_GET(self) -> None:
        is_fine = self.path == "/healthz" or type(self).ready
        body = b'{"ingest": "lag 90 s"}'
        self.send_response(200 if is_fine else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not to the test's output."""


@pytest.fixture
def running_centre(settings: Settings) -> Iterator[type[Centre]]:
    with HTTPServer(("127.0.0.1", settings.port), Centre) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Centre
        server.shutdown()
        thread.join()
        Centre.ready = True


def test_a_port_that_our_own_centre_uses_is_fine_while_it_is_ready(
    settings: Settings, running_centre: type[Centre]
) -> None:
    assert own_checks(settings) == {}
    running_centre.ready = False
    assert "lag 90 s" in own_checks(settings)["port"]


def test_a_missing_province_names_those_that_exist(settings: Settings) -> None:
    wrong = settings.model_copy(update={"province": "elsewhere"})
    assert own_checks(wrong)["province"].endswith("IOC_PROVINCE may be: somewhere")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("units.csv", b"id,code\n", "no column name, level"),
        ("centres.csv", b"\xff\xfe\x00", "UTF-8"),
        ("province.toml", b'id = "somewhere"\n', "does not say 'timezone'"),
        ("province.toml", b'timezone = "Asia/Nowhere"\n', "Asia/Nowhere"),
        ("province.toml", b"= broken", "province.toml"),
    ],
)
def test_a_broken_file_of_the_province_is_named(settings: Settings, name: str, content: bytes, words: str) -> None:
    (settings.province_dir / "somewhere" / name).write_bytes(content)
    found = own_checks(settings)["province"]
    assert name in found
    assert words in found


def test_a_missing_file_of_the_province_is_named(settings: Settings) -> None:
    (settings.province_dir / "somewhere" / "assets.csv").unlink()
    assert own_checks(settings)["province"].endswith("assets.csv is missing")


@pytest.mark.slow
def test_a_kafka_that_does_not_answer_is_named(settings: Settings) -> None:
    away = settings.model_copy(update={"broker": "kafka://127.0.0.1:1"})
    findings = {found.subject: found for found in check.look(away, NOW)}
    assert not findings["broker"].is_fine
    assert "Kafka at 127.0.0.1:1 does not answer" in findings["broker"].words


@pytest.mark.kafka
def test_a_kafka_without_our_topics_is_named(
    settings: Settings, kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = settings.model_copy(update={"broker": f"kafka://{kafka.address}"})
    monkeypatch.setattr(check, "FEEDS", {"other": replace(next(iter(FEEDS.values())), topic="never-made")})
    (finding,) = check.broker(there, NOW)
    assert not finding.is_fine
    assert finding.words == "Kafka has no topic never-made, never-made.dlq: run `python -m ioc setup`"


@pytest.mark.parametrize(
    ("stated", "named"),
    [
        ({"kafka_password": "kafka", "kafka_username": "ioc"}, "IOC_KAFKA_PASSWORD"),
        ({"kafka_password": "trungtam-2026-kafka", "kafka_username": "trungtam-kafka"}, "IOC_KAFKA_PASSWORD"),
        ({"store": "postgresql://ioc:ioc@127.0.0.1/ioc"}, "the password in IOC_STORE"),
        (
            {
                "openid_issuer": "https://id.example.vn",
                "openid_client_id": "ioc",
                "openid_client_secret": "matkhau123456789",
            },
            "IOC_OPENID_CLIENT_SECRET",
        ),
    ],
)
def test_a_secret_that_is_easy_to_guess_is_named_and_not_shown(stated: dict[str, str], named: str) -> None:
    settings = Settings.load({f"IOC_{name.upper()}": value for name, value in stated.items()})
    (found,) = check.secrets(settings, NOW)
    assert not found.is_fine
    assert found.words.startswith(f"{named} is short or easy to guess")
    assert not any(secret in found.words for secret in ("kafka-2026", "ioc:ioc", "matkhau"))


def test_secrets_that_nobody_guesses_are_fine() -> None:
    strong = {"IOC_KAFKA_PASSWORD": "9fQ2mXw7rT4kLz", "IOC_STORE": "postgresql://ioc:Zk8rW2pYv6nQh3@127.0.0.1/ioc"}
    (found,) = check.secrets(Settings.load(strong), NOW)
    assert found.is_fine
