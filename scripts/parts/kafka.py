"""Apache Kafka: one node (KRaft: broker and controller in one) from its Maven artifacts, on Java 17 or newer.

The artifacts are kept in `.parts/kafka/<version>`. Nothing of Kafka's shell scripts is needed: they only start
`kafka.tools.StorageTool` and `kafka.Kafka`.
"""

import base64
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from scripts.parts import FOLDER, PartError, debian
from scripts.parts.server import Server, free_port

VERSIONS: Final = ("4.4.0", "4.3.1", "3.9.1")  # the first that can be had
SLF4J: Final = "1.7.36"
LEAST_JAVA: Final = 17
PORT: Final = 19092

_POM: Final = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>parts</groupId><artifactId>kafka-parts</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{version}</version>
      <exclusions><!-- only for console tools, and not published for every version -->
        <exclusion><groupId>org.apache.kafka</groupId><artifactId>kafka-tools-api</artifactId></exclusion>
      </exclusions>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>{slf4j}</version>
    </dependency>
  </dependencies>
</project>
"""

_PROPERTIES: Final = """process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=500
"""


_SECURED: Final = """listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},SECURED://:{secured.port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SECURED://{secured.address}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURED:SASL_SSL
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.secured.scram-sha-512.sasl.jaas.config={package}.scram.ScramLoginModule required;
listener.name.secured.plain.sasl.jaas.config={package}.plain.PlainLoginModule required \\
  user_{secured.user}="{secured.password}";
listener.name.secured.ssl.keystore.location={secured.keystore}
listener.name.secured.ssl.keystore.type=PKCS12
listener.name.secured.ssl.keystore.password={secured.keystore_password}
listener.name.secured.ssl.key.password={secured.keystore_password}
"""


@dataclass(frozen=True, slots=True)
class Secured:
    """One more listener: TLS with the certificate of the keystore (PKCS12), and one user, by SCRAM-SHA-512 or PLAIN.

    For trials and tests only: the password is seen in the list of processes while the node is made.
    """

    keystore: Path
    keystore_password: str
    user: str
    password: str
    port: int = field(default_factory=free_port)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


def find() -> Path | None:
    """The folder of the artifacts, if they are there and Java is."""
    if _java_version() < LEAST_JAVA:
        return None
    return next((home for home in map(_home, VERSIONS) if (home / "complete").is_file()), None)


def get() -> Path:
    """The folder of the artifacts, fetched if they are not there."""
    if found := find():
        return found
    if _java_version() < LEAST_JAVA or shutil.which("mvn") is None:
        debian.install("openjdk-17-jre-headless", "maven")
    errors = []
    for version in VERSIONS:
        try:
            return _fetch(version)
        except PartError as error:
            errors.append(str(error))
    raise PartError("; ".join(errors))


def _home(version: str) -> Path:
    return FOLDER / "kafka" / version


def _java_version() -> int:
    if shutil.which("java") is None:
        return 0
    answer = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    return int(found[1]) if found else 0


def _fetch(version: str) -> Path:
    home = _home(version)
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pom.xml").write_text(_POM.format(version=version, slf4j=SLF4J), encoding="utf-8")
        answer = subprocess.run(
            [
                *("mvn", "--batch-mode", "--quiet", "dependency:copy-dependencies"),
                *(f"-DoutputDirectory={home / 'libs'}", "-DincludeScope=runtime"),
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    if answer.returncode:
        reasons = re.findall(r"\[ERROR\] (.+)", answer.stdout) or ["Maven failed"]
        raise PartError(f"Kafka {version}: {reasons[0]}")
    (home / "complete").touch()
    return home


class Kafka(Server):
    """One node; `more` are further lines of its server.properties, of which the last of a name counts."""

    name = "kafka"

    def __init__(
        self, folder: Path, port: int = 0, *, heap: str = "512m", more: str = "", secured: Secured | None = None
    ) -> None:
        super().__init__(folder, port or free_port())
        self._heap = heap
        self._more = more
        self._secured = secured

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def _java(self, *arguments: str) -> list[str]:
        libs = get() / "libs"
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return ["java", f"-Xmx{self._heap}", "-XX:+UseSerialGC", quiet, "-cp", f"{libs}/*", *arguments]

    def prepare(self) -> None:
        data = self.folder / "data"
        if (data / "meta.properties").is_file():
            return
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(parents=True)
        controller, users = free_port(), list[str]()
        text = _PROPERTIES.format(port=self.port, controller=controller, data=data)
        if secured := self._secured:
            package = "org.apache.kafka.common.security"
            text += _SECURED.format(port=self.port, controller=controller, secured=secured, package=package)
            users = ["--add-scram", f'SCRAM-SHA-512=[name="{secured.user}",password="{secured.password}"]']
        self._properties.write_text(text + self._more, encoding="utf-8")
        cluster = base64.urlsafe_b64encode(b"\x01" + os.urandom(15)).decode().rstrip("=")
        answer = subprocess.run(
            self._java(
                *("kafka.tools.StorageTool", "format", "--standalone"),
                *("--cluster-id", cluster, "--config", str(self._properties)),
                *users,
            ),
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            shutil.rmtree(data, ignore_errors=True)
            raise PartError(f"kafka could not be formatted: {(answer.stderr + answer.stdout).strip()[-600:]}")

    def command(self) -> Sequence[str]:
        return self._java("kafka.Kafka", str(self._properties))

    def is_healthy(self) -> bool:
        return answers("127.0.0.1", self.port)


def answers(host: str, port: int) -> bool:
    """Whether a Kafka broker says there which versions of its protocol it speaks."""
    api_versions, version, correlation, no_client = 18, 0, 1, -1
    request = struct.pack(">hhih", api_versions, version, correlation, no_client)
    try:
        with socket.create_connection((host, port), timeout=1) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.recv(10)
    except OSError:
        return False
    if len(answer) < 10:
        return False
    _, same, error = struct.unpack(">iih", answer)
    return bool(same == correlation and error == 0)
