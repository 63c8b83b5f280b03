"""The architecture: the sentences of .importlinter hold, and each program loads only what it needs."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ioc.settings import PROJECT

LINT = Path(sys.executable).with_name("lint-imports")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LINT, "--no-cache", "--no-logo"], cwd=folder, capture_output=True, text=True, check=False)


def test_the_sentences_of_the_architecture_hold() -> None:
    answer = lint_imports(PROJECT)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_each_sentence_catches_a_planted_breach(tmp_path: Path) -> None:
    for package in ("ioc", "simulators"):
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("*.pyc", "assets"))
    shutil.copy(PROJECT / ".importlinter", tmp_path)
    breaches = {
        "ioc/model/planted.py": "import ioc.feeds",
        "simulators/planted.py": "import ioc.settings",
        "ioc/panels/planted.py": "import ioc.store",
        "ioc/web/planted.py": "import dash",
        "ioc/streams/planted.py": "import kafka",
        "ioc/operations/planted.py": "import apscheduler",
        "ioc/feeds/planted.py": "import sqlalchemy",
        "ioc/jobs/planted.py": "import cv2",
    }
    for name, text in breaches.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.parent.joinpath("__init__.py").touch()
        path.write_text(text + "\n")
    (tmp_path / "ioc" / "cameras").mkdir(exist_ok=True)
    (tmp_path / "ioc" / "cameras" / "__init__.py").touch()
    (tmp_path / "ioc" / "cameras" / "planted.py").write_text("import ioc.operations\n")
    answer = lint_imports(tmp_path)
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "Contracts: 0 kept, 9 broken." in answer.stdout, answer.stdout


def test_a_new_package_must_be_given_its_layer(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "ioc", tmp_path / "ioc", ignore=shutil.ignore_patterns("*.pyc", "assets"))
    shutil.copytree(PROJECT / "simulators", tmp_path / "simulators", ignore=shutil.ignore_patterns("*.pyc"))
    shutil.copy(PROJECT / ".importlinter", tmp_path)
    (tmp_path / "ioc" / "misc.py").touch()
    assert lint_imports(tmp_path).returncode == 1


def test_the_model_imports_no_library_but_msgspec_and_numpy() -> None:
    allowed = {*sys.stdlib_module_names, "msgspec", "numpy", "ioc"}
    for path in (PROJECT / "ioc" / "model").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= allowed, path


@pytest.mark.parametrize(
    ("program", "unwanted"),
    [
        ("ingest", {"dash", "plotly", "cv2", "fastapi", "kafka", "apscheduler"}),
        ("jobs", {"dash", "plotly", "cv2", "fastapi", "kafka"}),
        ("web", {"cv2", "kafka", "apscheduler"}),
        ("check", {"dash", "plotly", "cv2", "kafka", "apscheduler"}),
    ],
)
def test_a_program_loads_only_what_it_needs(program: str, unwanted: set[str]) -> None:
    if not (PROJECT / "ioc" / "processes" / f"{program}.py").exists():
        pytest.skip(f"the program {program} does not exist yet")
    text = (
        f"import sys, ioc.__main__, ioc.processes.{program}; print(*sorted({{n.split('.')[0] for n in sys.modules}}))"
    )
    answer = subprocess.run([sys.executable, "-c", text], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert not unwanted & set(answer.stdout.split())


def test_no_package_is_a_drawer() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base"}
    for package in ("ioc", "simulators"):
        names = {path.stem for path in (PROJECT / package).rglob("*.py")} | {
            path.name for path in (PROJECT / package).rglob("*") if path.is_dir()
        }
        assert not names & drawers
