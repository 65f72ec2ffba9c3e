"""The distribution: what the wheel and the sdist hold, and that the wheel works with torch and jaxtyping alone."""

import email
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import calibrl_ref

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NOT_NEEDED = ["accelerate", "beartype", "datasets", "gymnasium", "matplotlib", "numpy", "rich", "transformers", "trl"]

# Runs in the bare environment: every module of the package is imported, and its doctests are run.
DOCTESTS = """
import doctest, importlib, pkgutil, sys
import calibrl_ref

results = []
for module in pkgutil.walk_packages(calibrl_ref.__path__, "calibrl_ref."):
    if not module.name.startswith("calibrl_ref.integrations"):
        results.append(doctest.testmod(importlib.import_module(module.name)))
print(calibrl_ref.__file__)
print(sum(result.failed for result in results), "of", sum(result.attempted for result in results), "failed")
print("loaded:", *sorted(set(sys.argv[1:]) & set(sys.modules)))
"""


@pytest.fixture(scope="session")
def built(once):
    """Folder with the sdist, and the wheel that is made from it."""

    def build(out):
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT]
        subprocess.run(command, check=True, capture_output=True, text=True)

    return once("dist", build)


@pytest.fixture(scope="session")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name))


def needed(names):
    """The installed distributions that these need, themselves included."""
    found, waiting = {}, list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found[name] = distribution(name)
            required = (Requirement(text) for text in found[name].requires or ())
            waiting += [each.name for each in required if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found.values()


@pytest.fixture(scope="session")
def bare_python(once, wheel):
    """An interpreter with the wheel, torch, jaxtyping and what these two need: linked, not downloaded again."""
    return once("bare", lambda home: make_bare(home, wheel)) / "bin" / "python"


def make_bare(home, wheel):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    (site,) = home.glob("lib/python*/site-packages")
    for each in needed(["torch", "jaxtyping"]):
        for top in {file.parts[0] for file in each.files} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(each.locate_file(top))
    pip = [sys.executable, "-m", "pip", "--python", home / "bin" / "python", "install", "--quiet", "--no-index", wheel]
    subprocess.run(pip, check=True, capture_output=True, text=True)  # fails if anything else is required


def run(python, code, *arguments, cwd):
    """Run code in another interpreter, away from the checkout and its environment variables."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    no_numpy = "ignore:Failed to initialize NumPy"  # torch's own, wherever numpy is absent
    command = [python, "-W", "error", "-W", no_numpy, "-c", code, *arguments]
    return subprocess.run(command, env=clean, cwd=cwd, check=True, capture_output=True, text=True).stdout


def test_the_wheel_holds_the_package_alone(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"calibrl_ref", f"calibrl_ref-{calibrl_ref.__version__}.dist-info"}
    assert "calibrl_ref/py.typed" in names


def test_the_wheel_needs_torch_and_jaxtyping_only(metadata):
    required = [Requirement(text) for text in metadata.get_all("Requires-Dist")]
    assert {each.name for each in required if "extra" not in str(each.marker)} == {"torch", "jaxtyping"}


@pytest.mark.slow
def test_the_doctests_run_with_torch_and_jaxtyping_alone(bare_python, tmp_path):
    where, failed, loaded = run(bare_python, DOCTESTS, *NOT_NEEDED, cwd=tmp_path).splitlines()
    assert str(bare_python.parents[1]) in where
    assert re.fullmatch(r"0 of \d\d+ failed", failed)
    assert loaded == "loaded:"


@pytest.mark.parametrize("name", ["toy", "full_scale", "tests", "trl", "gymnasium"])
def test_nothing_else_can_be_imported_beside_the_wheel(bare_python, tmp_path, name):
    with pytest.raises(subprocess.CalledProcessError) as error:
        run(bare_python, f"import {name}", cwd=tmp_path)
    assert "ModuleNotFoundError" in error.value.stderr


def test_the_sdist_holds_tests_and_docs(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("Makefile", "constraints.txt", "calibrl_ref/py.typed", "toy/__main__.py", "full_scale/train.py"):
        assert name in names
    for folder in ("tests", "docs", "examples", "tutorials"):
        here = {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.*") if path.suffix in {".py", ".md"}}
        assert {name for name in here if "_build/" not in name} <= names
    assert not any(name.startswith((".venv", ".git/", "runs/")) for name in names)


def test_the_packages_page_has_absolute_addresses_only(metadata):
    page = metadata.get_payload()
    addresses = re.findall(r'\[[^]"]*\]\(([^)]+)\)', page)
    assert any(address.endswith(".png") for address in addresses)
    assert [address for address in addresses if not address.startswith(("https://", "#"))] == []


def test_the_packages_page_points_at_files_that_exist(metadata):
    home = PROJECT["urls"]["Repository"].removeprefix("https://github.com/")
    paths = re.findall(rf"\]\(https://[\w.]+/{home}/(?:blob/)?main/([^)#]+)", metadata.get_payload())
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_one_version_everywhere(metadata):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert metadata["Version"] == citation["version"] == calibrl_ref.__version__
    assert re.search(r"^## (\S+)", changes, re.MULTILINE)[1] == calibrl_ref.__version__


def test_every_extra_of_a_checkout_is_constrained_to_a_version_that_it_allows():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {
        canonicalize_name(name): version for name, version in (line.split("==") for line in lines if "==" in line)
    }
    extras = PROJECT["optional-dependencies"]
    groups = [PROJECT["dependencies"], *(extras[name] for name in ("toy", "train", "lora", "docs", "dev"))]
    required = [Requirement(text) for group in groups for text in group]
    for each in required:
        if each.name != PROJECT["name"]:
            assert pinned[canonicalize_name(each.name)] in each.specifier, each
