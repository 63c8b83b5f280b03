"""What the documents say can be done, can be done; what they point to exists."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from ioc.__main__ import app
from ioc.settings import PROJECT

DOCUMENTS = [PROJECT / "README.md", PROJECT / "CHANGELOG.md", *sorted((PROJECT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"python -m ioc ([a-z-]+)")
SIMULATORS = re.compile(r"python -m simulators ([a-z-]+)")
TARGET = re.compile(r"(?:^|`|    )make ([a-z]+)\b", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def found(pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        for match in pattern.findall(document.read_text(encoding="utf-8")):
            yield document.name, match


def test_every_command_in_the_documents_exists() -> None:
    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert {match for _, match in found(COMMAND)} <= known


def test_every_make_target_in_the_documents_exists() -> None:
    known = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {match for _, match in found(TARGET)} <= known


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    links = LINK.findall(document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_package_stands_in_the_architecture() -> None:
    text = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    packages = [path.parent.name for path in (PROJECT / "ioc").glob("*/__init__.py")]
    assert [package for package in packages if f"`ioc/{package}`" not in text] == []


@pytest.mark.parametrize("command", sorted({match for _, match in found(SIMULATORS)}))
def test_every_simulator_command_in_the_documents_exists(command: str) -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "simulators", command, "--help"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
