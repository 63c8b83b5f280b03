"""Dockerfile and docker-compose.yml, read by parsers: no engine runs here, so what can be known without one is tested.

The schema is the official one of Compose, as the package check-jsonschema carries it.
"""

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import typer
from dockerfile_parse import DockerfileParser
from ruamel.yaml import YAML

from ioc import __version__
from ioc.__main__ import app
from ioc.errors import BadRequest
from ioc.settings import NOT_SETTINGS, PROJECT, Settings
from ioc.web.headers import Hosts
from scripts.parts import kafka, postgres
from simulators.command_line import app as simulators_app

COMPOSE: Final = PROJECT / "docker-compose.yml"
EXAMPLE: Final = PROJECT / ".env.example"
# Name and full version, or a version that names its image's revision: `17`, `latest` and `4.1` move.
PINNED: Final = re.compile(r"[a-z0-9./-]+:\d+\.\d+(\.\d+)?(-[a-z0-9.-]+)?(@sha256:[0-9a-f]{64})?")
OUR_IMAGE: Final = f"ioc:{__version__}"
WITHOUT_HEALTH: Final = {"setup": "ends by itself", "simulators": "serves nobody"}
FILLED: Final = {"POSTGRES_PASSWORD": "3f9c0a", "IOC_KEY": "key"}
"""What whoever deploys puts into the places that .env.example leaves empty."""


def env_example() -> dict[str, str]:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    stated = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name: value for name, _, value in stated}


def interpolated(text: str, environ: Mapping[str, str]) -> str:
    """As Compose does it: `${X}`, `${X:-default}` and `${X:?error}`; KeyError for what must be set."""

    def _value(match: re.Match[str]) -> str:
        name, kind, word = match["name"], match["kind"], match["word"]
        if environ.get(name):
            return environ[name]
        if kind == ":-":
            return str(word)
        raise KeyError(name)

    return re.sub(r"\$\{(?P<name>\w+)(?:(?P<kind>:[-?])(?P<word>[^}]*))?\}", _value, text)


def loaded(text: str) -> dict[str, Any]:
    content: dict[str, Any] = YAML(typ="safe").load(text)
    return content


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file as Compose sees it, with a filled-in .env."""
    return loaded(interpolated(COMPOSE.read_text(encoding="utf-8"), env_example() | FILLED))


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(compose["services"])


@pytest.fixture(scope="module")
def dockerfile() -> DockerfileParser:
    return DockerfileParser(path=str(PROJECT / "Dockerfile"), cache_content=True)


def ours(services: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, one) for name, one in services.items() if "build" in one)


def command_of(service: dict[str, Any]) -> list[str]:
    return list(service["command"])


# --- docker-compose.yml ------------------------------------------------------------------------------------------


def check_schema(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_file_follows_the_schema_of_compose(tmp_path: Path) -> None:
    answer = check_schema(COMPOSE)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(COMPOSE.read_text().replace("stop_grace_period", "grace_period"))
    assert check_schema(wrong).returncode != 0


def test_the_parts_are_there(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {"kafka", "postgres", "setup", "web", "ingest", "jobs", "simulators"}


@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        ("apache/kafka:4.4.0", True),
        ("postgres:15.19-bookworm", True),
        ("python:3.11.15-slim-bookworm@sha256:" + 64 * "a", True),
        ("postgres", False),
        ("postgres:latest", False),
        ("postgres:15", False),
        ("postgres:15-bookworm", False),
        ("python:slim", False),
    ],
)
def test_what_a_pinned_image_is(image: str, pinned: bool) -> None:
    assert bool(PINNED.fullmatch(image)) is pinned


def test_every_image_is_pinned(services: dict[str, dict[str, Any]], dockerfile: DockerfileParser) -> None:
    images = [one["image"] for one in services.values()] + list(dockerfile.parent_images)
    assert [image for image in images if not PINNED.fullmatch(image)] == []
    assert {one["image"] for _, one in ours(services)} == {OUR_IMAGE}


def test_the_servers_are_those_that_tests_use(
    services: dict[str, dict[str, Any]], dockerfile: DockerfileParser
) -> None:
    assert services["kafka"]["image"] == f"apache/kafka:{kafka.VERSIONS[0]}"
    assert services["postgres"]["image"].startswith(f"postgres:{postgres.LEAST_VERSION}.")
    assert f"postgresql-client-{postgres.LEAST_VERSION}" in dockerfile.content


def test_every_setting_is_known_and_accepted(services: dict[str, dict[str, Any]]) -> None:
    for name, service in ours(services):
        stated = {key: str(value) for key, value in service["environment"].items() if key.startswith("IOC_")}
        settings = Settings.load(stated, folder=PROJECT / "docs")
        if service["command"][2] == "ioc":
            assert stated.keys() & NOT_SETTINGS == set(), name
            assert (settings.broker, settings.production) == ("kafka://kafka:9092", True), name
            assert settings.store.startswith("postgresql+psycopg://ioc@postgres:"), name


def test_names_in_env_example_are_those_that_the_file_asks_for() -> None:
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text(encoding="utf-8")))
    assert asked == set(env_example())


@pytest.mark.parametrize("name", ["POSTGRES_PASSWORD", "IOC_PRODUCTION", "IOC_PUBLIC_URL"])
def test_without_what_matters_it_does_not_start(name: str) -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    filled = env_example() | FILLED
    with pytest.raises(KeyError, match=name):
        interpolated(text, {key: value for key, value in filled.items() if key != name})


def test_no_password_has_a_default() -> None:
    assert [name for name, value in env_example().items() if re.search("PASSWORD|KEY$", name) and value] == []
    defaults = re.findall(r"\$\{(\w*(?:PASSWORD|KEY)\w*):-([^}]+)\}", COMPOSE.read_text(encoding="utf-8"))
    assert defaults == []


def test_every_command_exists(services: dict[str, dict[str, Any]]) -> None:
    known = {
        "ioc": set(typer.main.get_command(app).commands),  # type: ignore[attr-defined]
        "simulators": set(typer.main.get_command(simulators_app).commands),  # type: ignore[attr-defined]
    }
    for name, service in ours(services):
        python, flag, package, command = command_of(service)
        assert (python, flag) == ("python", "-m"), name
        assert command in known[package], name
        test = service["healthcheck"].get("test")
        assert test is None or (test[:4] == ["CMD", "python", "-m", "ioc"] and test[4] in known["ioc"]), name


def test_every_volume_and_network_is_declared_and_used(compose: dict[str, Any]) -> None:
    used_networks, used_volumes = set(), set()
    for service in compose["services"].values():
        used_networks |= set(service.get("networks", []))
        used_volumes |= {one.split(":")[0] for one in service.get("volumes", [])}
    assert used_networks == set(compose["networks"])
    assert used_volumes == set(compose["volumes"])


def test_every_dependency_is_a_service(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name
    for name in ("web", "ingest", "jobs"):
        assert services[name]["depends_on"]["setup"]["condition"] == "service_completed_successfully"
    for name in ("web", "ingest", "jobs", "setup"):
        assert services[name]["depends_on"]["kafka"]["condition"] == "service_healthy"
        assert services[name]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_every_service_is_watched_bounded_and_nobody_special(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["user"].split(":")[0] not in ("", "0", "root"), name
        assert service["restart"].split(":")[0] in ("unless-stopped", "on-failure"), name
        assert service["stop_grace_period"], name
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory", "pids"} <= set(limits), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert ("test" in service["healthcheck"]) is (name not in WITHOUT_HEALTH), name
        assert not service.get("privileged"), name


def test_only_kafka_writes_into_its_image(services: dict[str, dict[str, Any]]) -> None:
    """It makes its configuration there when it starts; what the others write is in volumes and in memory."""
    assert [name for name, one in services.items() if not one.get("read_only")] == ["kafka"]


def test_only_web_is_reached_from_outside_and_on_loopback_only(compose: dict[str, Any]) -> None:
    published = {name: one["ports"] for name, one in compose["services"].items() if "ports" in one}
    assert published == {"web": ["127.0.0.1:8050:8050"]}
    assert compose["networks"]["inside"] == {"internal": True}
    assert [name for name, one in compose["services"].items() if "outside" in one.get("networks", [])] == ["web"]


def test_simulators_call_web_by_a_name_that_it_answers_to(services: dict[str, dict[str, Any]]) -> None:
    stated = {key: str(value) for key, value in services["web"]["environment"].items() if key.startswith("IOC_")}
    hosts = Hosts(Settings.load(stated, folder=PROJECT / "docs"))
    hosts.check_host({b"host": urlsplit(services["simulators"]["environment"]["IOC_URL"]).netloc.encode()})
    assert services["simulators"]["network_mode"] == "service:web"
    with pytest.raises(BadRequest):
        hosts.check_host({b"host": b"web:8050"})


def test_kafka_is_set_as_the_tests_set_theirs(services: dict[str, dict[str, Any]]) -> None:
    environment = services["kafka"]["environment"]
    stated = {name.removeprefix("KAFKA_").lower().replace("_", "."): str(value) for name, value in environment.items()}
    for line in (
        "process.roles=broker,controller",
        "auto.create.topics.enable=false",
        "offsets.topic.replication.factor=1",
        "transaction.state.log.replication.factor=1",
        "transaction.state.log.min.isr=1",
        "share.coordinator.state.topic.replication.factor=1",
        "share.coordinator.state.topic.min.isr=1",
    ):
        name, _, value = line.partition("=")
        assert line in kafka._PROPERTIES.splitlines()
        assert stated[name] == value
    assert environment["KAFKA_ADVERTISED_LISTENERS"].endswith(services["web"]["environment"]["IOC_BROKER"][8:])
    assert environment["KAFKA_LOG_DIRS"] in [one.split(":")[1] for one in services["kafka"]["volumes"]]


# --- Dockerfile --------------------------------------------------------------------------------------------------


def instructions(dockerfile: DockerfileParser, name: str) -> list[str]:
    return [one["value"] for one in dockerfile.structure if one["instruction"] == name]


def last_stage(dockerfile: DockerfileParser) -> list[dict[str, Any]]:
    structure = list(dockerfile.structure)
    begins = max(at for at, one in enumerate(structure) if one["instruction"] == "FROM")
    return structure[begins:]


def test_hadolint_finds_nothing(tmp_path: Path) -> None:
    def lint(path: Path) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("hadolint")
        return subprocess.run([program, path], capture_output=True, text=True, check=False)

    answer = lint(PROJECT / "Dockerfile")
    assert (answer.returncode, answer.stdout) == (0, "")
    (tmp_path / "Dockerfile").write_text("FROM python:latest\nRUN cd /tmp && sudo ls\n")
    assert lint(tmp_path / "Dockerfile").returncode != 0


def test_the_programs_run_as_nobody_special(dockerfile: DockerfileParser, services: dict[str, dict[str, Any]]) -> None:
    users = [one["value"] for one in last_stage(dockerfile) if one["instruction"] == "USER"]
    assert users == ["10001:10001"]
    assert {one["user"] for _, one in ours(services)} == set(users)


def test_nothing_is_built_in_the_last_stage(dockerfile: DockerfileParser) -> None:
    runs = " ".join(one["value"] for one in last_stage(dockerfile) if one["instruction"] == "RUN")
    assert not re.search(r"\b(pip|gcc|g\+\+|make|build-essential|python3-dev|git|curl|wget)\b", runs)
    build = " ".join(instructions(dockerfile, "RUN"))
    assert "--require-hashes" in build
    assert "--only-binary=:all:" in build


def test_no_secret_is_in_the_image(dockerfile: DockerfileParser) -> None:
    stated = " ".join(instructions(dockerfile, "ENV") + instructions(dockerfile, "ARG"))
    assert not re.search(r"password|secret|token|key", stated, re.IGNORECASE)
    assert dict(dockerfile.envs)["PYTHONUNBUFFERED"] == "1"
    assert instructions(dockerfile, "ADD") == []


def copied(dockerfile: DockerfileParser) -> list[str]:
    """What comes from the project's folder."""
    words = [value.split() for value in instructions(dockerfile, "COPY")]
    return [source for one in words if not one[0].startswith("--from") for source in one[:-1]]


def test_what_is_copied_is_there_and_nothing_else_goes_in(dockerfile: DockerfileParser) -> None:
    sources = copied(dockerfile)
    assert [source for source in sources if not (PROJECT / source).exists()] == []
    rules = [line for line in (PROJECT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule[0] == "!"} == set(sources)
    assert not any(fnmatch("data/ioc.db", rule[1:]) for rule in rules if rule[0] == "!")


def test_the_image_has_all_that_the_programs_import(dockerfile: DockerfileParser) -> None:
    """Run from a copy of what the image gets, as it stands there, the commands work."""
    assert {"ioc", "simulators", "provinces", "requirements.txt"} == set(copied(dockerfile))
    (workdir,) = [one["value"] for one in last_stage(dockerfile) if one["instruction"] == "WORKDIR"]
    targets = {value.split()[-1] for value in instructions(dockerfile, "COPY")}
    assert (workdir, targets) == ("/app", {"./", "/venv", "./ioc", "./provinces", "./simulators"})


@pytest.mark.slow
def test_from_what_the_image_holds_setup_and_check_work(dockerfile: DockerfileParser, tmp_path: Path) -> None:
    for source in copied(dockerfile):
        if (PROJECT / source).is_dir():
            shutil.copytree(PROJECT / source, tmp_path / "app" / source)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environ = {"PATH": "/usr/bin:/bin", "IOC_DATA": str(tmp_path / "data"), "IOC_PORT": port}
    for command in ("setup", "check"):
        answer = subprocess.run(
            [sys.executable, "-m", "ioc", command],
            cwd=tmp_path / "app",
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_commands_of_the_image_exist(dockerfile: DockerfileParser) -> None:
    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    (health,) = instructions(dockerfile, "HEALTHCHECK")
    found = re.search(r'CMD \["python", "-m", "ioc", "([a-z]+)"\]', health)
    assert found is not None
    assert found[1] in known
    started = re.search(r'"ioc", "([a-z]+)"', str(dockerfile.cmd))
    assert started is not None
    assert started[1] in known
