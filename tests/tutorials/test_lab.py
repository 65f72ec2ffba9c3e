"""``make lab``: JupyterLab starts in the folder of the tutorials, and its kernel is this environment's."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest
from course.build import TUTORIALS
from jupyter_client import BlockingKernelClient

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client")]
MAKEFILE = (TUTORIALS.parent / "Makefile").read_text(encoding="utf-8")
SECONDS = 120


def recipe():
    """The command of ``make lab``, with this Python in place of the one that make would set up."""
    line = MAKEFILE[MAKEFILE.index("\nlab:") :].splitlines()[2].strip()
    return line.replace("../$(RUN)", sys.executable).replace("$(LAB)", "--no-browser --port=0 --allow-root")


def eventually(found):
    """What a function gives as soon as it gives anything."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        if result := found():
            return result
        time.sleep(0.2)
    pytest.fail("JupyterLab did not start")


@pytest.fixture
def server(tmp_path):
    """Address and token of a running JupyterLab; the user has another environment's kernel of the same name."""
    other = tmp_path / "data" / "kernels" / "python3"
    other.mkdir(parents=True)
    (other / "kernel.json").write_text(
        json.dumps({"argv": ["/nowhere/python"], "display_name": "x", "language": "python"})
    )
    places = {f"JUPYTER_{name.upper()}_DIR": str(tmp_path / name) for name in ("config", "data", "runtime")}
    environment = os.environ | places | {"IPYTHONDIR": str(tmp_path / "ipython")}
    running = subprocess.Popen(["bash", "-c", recipe()], cwd=TUTORIALS.parent, env=environment, start_new_session=True)
    try:
        (file,) = eventually(lambda: list((tmp_path / "runtime").glob("jpserver-*.json")))
        yield eventually(lambda: file.read_text() and json.loads(file.read_text()))
    finally:
        os.killpg(running.pid, signal.SIGTERM)
        running.wait(SECONDS)


def asked(server, path, **options):
    address = f"{server['url']}{path}?token={server['token']}"
    with urllib.request.urlopen(urllib.request.Request(address, **options), timeout=SECONDS) as answer:
        return json.load(answer)


def test_the_lab_serves_the_tutorials_and_its_kernel_imports_the_course(server, tmp_path):
    names = {entry["name"] for entry in asked(server, "api/contents")["content"]}
    assert {"README.md", "00_grpo_in_twenty_lines.ipynb"} <= names
    body = json.dumps({"name": "python3", "path": "00_grpo_in_twenty_lines.ipynb"}).encode()
    kernel = asked(server, "api/kernels", data=body, method="POST")["id"]
    client = BlockingKernelClient(connection_file=str(tmp_path / "runtime" / f"kernel-{kernel}.json"))
    client.load_connection_file()
    client.start_channels()
    client.wait_for_ready(timeout=SECONDS)
    said = []
    client.execute_interactive(
        "import sys, course, toy; print(sys.executable)",
        timeout=SECONDS,
        output_hook=lambda message: said.append(message["content"].get("text", "")),
    )
    client.stop_channels()
    assert "".join(said).strip() == sys.executable
