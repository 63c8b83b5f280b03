"""What a run of the tests says about real parts, and when it fails for want of one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ioc.settings import PROJECT

TESTS = """
import pytest

@pytest.mark.chromium
def test_browser():
    pass

@pytest.mark.real_data
def test_data(real_data):
    assert (real_data / "README.md").is_file()

def test_plain():
    pass
"""
pytestmark = pytest.mark.slow

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_tests(tmp_path: Path) -> Run:
    """Run three small tests under this project's conftest, with the given environment."""
    folder = tmp_path / "project" / "three"
    folder.mkdir(parents=True)
    shutil.copy(PROJECT / "tests" / "conftest.py", folder)
    shutil.copy(PROJECT / "pyproject.toml", folder.parent)
    (folder / "test_three.py").write_text(TESTS)
    (tmp_path / "browser").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "README.md").touch()

    def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        outside = {name: text for name, text in os.environ.items() if not name.startswith(("IOC_", "PYTEST_"))}
        defaults = {"IOC_TEST_CHROMIUM": str(tmp_path / "browser"), "IOC_TEST_DATA": str(tmp_path / "data")}
        defaults["PYTHONPATH"] = str(PROJECT)  # for what the conftest imports
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", folder.name, *arguments],
            cwd=folder.parent,
            env={**outside, **defaults, **environ},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_part_that_is_there_is_used_and_said_so(run_tests: Run) -> None:
    answer = run_tests(IOC_TEST_REQUIRE="chromium,real_data")
    assert answer.returncode == 0, answer.stdout
    assert "Chromium:    used by 1 test\n" in answer.stdout
    assert "Kafka:       not used: no test of this run needs it\n" in answer.stdout


@pytest.mark.parametrize("processes", [1, 2])
def test_tests_in_several_processes_are_counted_alike(run_tests: Run, processes: int) -> None:
    answer = run_tests("-n", str(processes), IOC_TEST_REQUIRE="chromium,real_data")
    assert answer.returncode == 0, answer.stdout
    assert "Chromium:    used by 1 test\n" in answer.stdout
    assert "Kafka:       not used: no test of this run needs it\n" in answer.stdout
    absent = run_tests("-n", str(processes), IOC_TEST_REQUIRE="chromium", IOC_TEST_CHROMIUM="/nonexistent")
    assert absent.returncode == 1, absent.stdout
    assert "Chromium:    not used: no chromium was found" in absent.stdout
    assert "but IOC_TEST_REQUIRE asks for it" in absent.stdout


def test_a_part_that_is_absent_is_skipped_and_said_so(run_tests: Run) -> None:
    answer = run_tests(IOC_TEST_CHROMIUM="/nonexistent", IOC_TEST_DATA="/nonexistent")
    assert answer.returncode == 0, answer.stdout
    assert "1 passed, 2 skipped" in answer.stdout
    assert "Chromium:    not used: no chromium was found" in answer.stdout
    assert "Real data:   not used: IOC_TEST_DATA" in answer.stdout


@pytest.mark.parametrize("required", ["chromium", "kafka", "real_data,chromium"])
def test_a_required_part_that_is_not_used_fails_the_run(run_tests: Run, required: str) -> None:
    answer = run_tests(IOC_TEST_REQUIRE=required, IOC_TEST_CHROMIUM="/nonexistent")
    assert answer.returncode == 1, answer.stdout
    assert "but IOC_TEST_REQUIRE asks for it" in answer.stdout


def test_a_required_part_that_a_run_leaves_out_fails_it_too(run_tests: Run) -> None:
    assert run_tests("-m", "not chromium", IOC_TEST_REQUIRE="chromium").returncode == 1


def test_a_part_that_does_not_exist_cannot_be_required(run_tests: Run) -> None:
    answer = run_tests(IOC_TEST_REQUIRE="chrome")
    assert answer.returncode == 4
    assert "IOC_TEST_REQUIRE names chrome; the parts are: kafka" in answer.stderr
