"""The page of attacks says what the tool does."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
import attacks
import attacks_on_tool


def test_the_page_says_what_the_tool_does():
    page = attacks.PAGE.read_text(encoding="utf-8")
    for line in attacks_on_tool.table().splitlines():
        assert line in page, "run python docs/attacks.py"
