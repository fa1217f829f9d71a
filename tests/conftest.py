import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest

# A hub that cannot be reached costs three quarters of a minute; told so beforehand, nothing.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

torch.set_num_threads(1)

# The same examples in each run: what was found by chance belongs into a test of its own.
hypothesis.settings.register_profile("kdlab", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("kdlab")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Workers get whole files, whose tests share fixtures; solved lessons, which are long, one by one."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return nodeid if "test_solved_lessons.py" in nodeid else super()._split_scope(nodeid)

    return Scheduling(config, log)


@pytest.fixture
def no_connection(monkeypatch):
    """Whoever asks for an address or a connection fails the test: no retries, no waiting."""

    def refuse(*arguments, **options):
        raise AssertionError(f"asked for a connection: {arguments}")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)


@pytest.fixture(scope="session")
def site(tmp_path_factory, worker_id):
    """The site, built once, whichever of the parallel workers asks first; its folder."""
    if find_spec("sphinx") is None or find_spec("furo") is None:
        pytest.skip("the site's builder is not installed: pip install 'kdlab[site]'")
    from filelock import FileLock

    base = tmp_path_factory.getbasetemp()
    base = base if worker_id == "master" else base.parent
    folder, docs = base / "site", Path(__file__).parent.parent / "docs"
    with FileLock(base / "site.lock"):
        if not folder.exists():
            options = ["--quiet", "--fail-on-warning", "--keep-going", "--builder", "html"]
            run = subprocess.run(
                [sys.executable, "-m", "sphinx", *options, docs, folder], capture_output=True, text=True
            )
            assert run.returncode == 0, run.stderr
    return folder
