"""A real listener of Kafka with TLS and a user: who is right gets in, who is not is told which setting to look at."""

import gc
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ioc.broker.kafka import KafkaBroker
from ioc.broker.kafka_connection import KafkaOptions
from ioc.broker.open import open_broker
from ioc.broker.port import Broker
from ioc.errors import BrokerError
from ioc.processes import check
from ioc.settings import PROJECT, Settings
from scripts.parts.kafka import Kafka, Secured, find
from tests.broker import certificates
from tests.broker.certificates import Authority
from tests.broker.conftest import append, now, record, values

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.slow,
    # kafka-python 3.0.12 leaves the socket of a handshake that failed to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket"),
]

PASSWORD = "right-and-long"
WRONG_PASSWORD = "wrong-and-long"
SCRAM, PLAIN = "SCRAM-SHA-512", "PLAIN"


@dataclass(frozen=True, slots=True)
class Cluster:
    """One node with a listener in the clear and one with TLS; who signed its certificate, and who did not."""

    server: Kafka
    secured: Secured
    authority: Authority
    stranger: Authority

    def settings(self, folder: Path, **more: str) -> Settings:
        return Settings.load(self.environment(folder) | more)

    def environment(self, folder: Path) -> dict[str, str]:
        """All as it should be."""
        return {
            "IOC_BROKER": f"kafka://{self.secured.address}",
            "IOC_DATA": str(folder),
            "IOC_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "IOC_KAFKA_USERNAME": "ioc",
            "IOC_KAFKA_PASSWORD": PASSWORD,
            "IOC_KAFKA_CA_FILE": str(self.authority.certificate),
        }

    def wrong(self, what: str) -> dict[str, str]:
        """Settings of which one is wrong."""
        match what:
            case "authority":
                return {"IOC_KAFKA_CA_FILE": str(self.stranger.certificate)}
            case "no authority":
                return {"IOC_KAFKA_CA_FILE": ""}
            case "no file":
                return {"IOC_KAFKA_CA_FILE": str(self.authority.certificate.with_name("absent.pem"))}
            case "no certificate":
                return {"IOC_KAFKA_CA_FILE": __file__}
            case "host":  # the certificate is for 127.0.0.1
                return {"IOC_BROKER": f"kafka://localhost:{self.secured.port}"}
            case "password":
                return {"IOC_KAFKA_PASSWORD": WRONG_PASSWORD}
            case "password in plain":
                return {"IOC_KAFKA_PASSWORD": WRONG_PASSWORD, "IOC_KAFKA_SASL_MECHANISM": PLAIN}
            case "user":
                return {"IOC_KAFKA_USERNAME": "nobody"}
            case "mechanism":
                return {"IOC_KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"}
            case "no TLS":
                return {"IOC_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}
            case "user in the clear":
                return {"IOC_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}
            case "no user":
                return {"IOC_KAFKA_SECURITY_PROTOCOL": "SSL"}
            case "TLS to a listener without":
                return {"IOC_BROKER": f"kafka://{self.server.address}"}
        raise ValueError(what)


WRONG = {
    "authority": r"is not signed by whom IOC_KAFKA_CA_FILE=.*stranger\.pem names",
    "no authority": r"is not signed by anybody whom this machine trusts .*: set IOC_KAFKA_CA_FILE",
    "no file": r"IOC_KAFKA_CA_FILE=.*absent\.pem cannot be read: No such file",
    "no certificate": r"IOC_KAFKA_CA_FILE=.* holds no certificate in PEM form",
    "host": r"the certificate of localhost:\d+ is not for localhost: set IOC_BROKER",
    "password": r"does not know the user ioc with this password .*: check .*IOC_KAFKA_PASSWORD",
    "password in plain": r"does not know the user ioc with this password .*: check .*IOC_KAFKA_PASSWORD",
    "user": r"does not know the user nobody with this password .*: check IOC_KAFKA_USERNAME",
    "mechanism": r"does not take SCRAM-SHA-256 .*: set IOC_KAFKA_SASL_MECHANISM",
    "no TLS": r"speaks TLS, but IOC_KAFKA_SECURITY_PROTOCOL is PLAINTEXT: set that to SASL_SSL",
    "user in the clear": r"speaks TLS, but IOC_KAFKA_SECURITY_PROTOCOL is SASL_PLAINTEXT: set that to SASL_SSL",
    "no user": r"but answers no request: .* check .*IOC_KAFKA_SECURITY_PROTOCOL=SSL",
    "TLS to a listener without": r"speaks no TLS.* but IOC_KAFKA_SECURITY_PROTOCOL is SASL_SSL",
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if find() is None:
        pytest.skip("a Kafka whose listeners are not ours to choose")
    folder = tmp_path_factory.mktemp("secured")
    authority, stranger = Authority.make(folder, "authority"), Authority.make(folder, "stranger")
    keystore = authority.server(folder / "server.p12", "ip:127.0.0.1")
    secured = Secured(keystore, certificates.PASSWORD, "ioc", PASSWORD)
    server = Kafka(tmp_path_factory.mktemp("kafka"), secured=secured)
    server.start()
    yield Cluster(server, secured, authority, stranger)
    server.kill()


@pytest.fixture(autouse=True)
def left_sockets() -> Iterator[None]:
    """They are collected here, and not in a test that knows nothing of them."""
    yield
    gc.collect()


@pytest.mark.parametrize("mechanism", [SCRAM, PLAIN])
def test_who_is_right_appends_and_reads(cluster: Cluster, tmp_path: Path, topic: str, mechanism: str) -> None:
    settings = cluster.settings(tmp_path, IOC_KAFKA_SASL_MECHANISM=mechanism)
    with closing(open_broker(settings)) as broker:
        broker.ensure_topic(topic, 2)
        append(broker, topic, [record("a", "1"), record("b", "2")])
        assert values(broker, topic) == ["1", "2"]
        assert broker.identity(topic)


def test_it_gets_in_again_after_kafka_was_killed(cluster: Cluster, tmp_path: Path, topic: str) -> None:
    with closing(open_broker(cluster.settings(tmp_path))) as broker:
        broker.ensure_topic(topic, 1)
        append(broker, topic, [record("a", "before")])
        cluster.server.kill()
        with pytest.raises(BrokerError, match="does not answer"):
            broker.append(topic, [record("a", "meanwhile")], now())
        cluster.server.start()
        deadline = time.monotonic() + 30
        while values_or_none(broker, topic) is None:
            assert time.monotonic() < deadline, "it does not get in again"
        append(broker, topic, [record("a", "after")])
        assert values(broker, topic) == ["after", "before"]


def values_or_none(broker: Broker, topic: str) -> list[str] | None:
    """A question to Kafka is not asked again by itself: who asks tries later."""
    try:
        return values(broker, topic)
    except BrokerError:
        return None


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_in_one_sentence_that_names_the_setting(
    cluster: Cluster, tmp_path: Path, topic: str, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")
    settings = cluster.settings(tmp_path, **cluster.wrong(what))
    with closing(KafkaBroker(KafkaOptions.of(settings), settings.data)) as broker:
        with pytest.raises(BrokerError, match=WRONG[what]) as raised:
            broker.ensure_topic(topic, 1)
        sentence = str(raised.value)
        with pytest.raises(BrokerError) as appending:  # another client of kafka-python's
            broker._appender.append(topic, [(0, record("a"))], now())
    (finding,) = check.broker(settings, datetime.now(UTC))
    assert not finding.is_fine
    for words in (sentence, str(appending.value), finding.words):
        assert "\n" not in words
        assert sentence.rsplit("): ", 1)[1] == words.rsplit("): ", 1)[1]
        assert PASSWORD not in words + caplog.text
        assert WRONG_PASSWORD not in words + caplog.text
    assert not [line for line in caplog.records if line.name.startswith("kafka")]


@pytest.mark.parametrize("what", ["authority", "password in plain"])
def test_check_says_the_same_and_shows_no_password_however_much_is_logged(
    cluster: Cluster, tmp_path: Path, what: str
) -> None:
    environment = cluster.environment(tmp_path) | cluster.wrong(what) | {"IOC_LOG_LEVEL": "debug"}
    ran = subprocess.run(
        [sys.executable, "-m", "ioc", "check"],
        env=environment | {"PATH": os.environ["PATH"]},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    (said,) = [line for line in ran.stdout.splitlines() if " broker: " in line]
    assert said.startswith("WRONG")
    assert WRONG_WORDS[what] in said
    assert PASSWORD not in ran.stdout + ran.stderr
    assert WRONG_PASSWORD not in ran.stdout + ran.stderr


WRONG_WORDS = {"authority": "is not signed by whom IOC_KAFKA_CA_FILE=", "password in plain": "with this password"}


def test_check_says_that_all_is_well(cluster: Cluster, tmp_path: Path) -> None:
    """But for the topics, which `setup` has not made."""
    (finding,) = check.broker(cluster.settings(tmp_path), datetime.now(UTC))
    assert "run `python -m ioc setup`" in finding.words
