"""The command line: what needs no network is told without loading what trains one."""

import json
import subprocess
import sys

HELP = """
import contextlib, io, json, re, sys
from kdlab.__main__ import main

def said(*arguments):
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main(arguments)
    return text.getvalue()

commands = re.search(r"{(.+?)}", said("--help"))[1].split(",")
texts = {command: said(command, "--help") for command in commands}
texts["--version"], texts["teachers"] = said("--version"), said("teachers")
print(json.dumps([texts, [*sys.modules]]))
"""


def test_help_version_and_teachers_are_told_without_pytorch():
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    texts, loaded = json.loads(done.stdout)
    assert {"distill", "train", "teach", "teachers", "export", "--version"} == set(texts)
    assert "--temperature" in texts["distill"] and "digits-small" in texts["teachers"]
    assert not {"torch", "timm", "torchvision", "numpy", "pandas", "sklearn"} & set(loaded)
