"""The course in numbers, for README and the front page: ``python docs/counted.py`` counts and writes them.

``--check`` writes nothing, and fails where a page says something else.
"""

import argparse
import re
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
PAGES = (ROOT / "README.md", ROOT / "docs" / "index.md")
MARKED = re.compile(r"(<!-- numbers -->\n).*?(\n<!-- /numbers -->)", re.S)


def told(root=ROOT):
    """The sentence."""
    from kdlab.checked import usual_claims, verdicts
    from kdlab.checked.usual import ANSWERS
    from kdlab.exercises import all_exercises
    from kdlab.exercises.questions import QUESTIONS

    lessons = len([*(root / "notebooks").glob("[0-9][0-9]_*.ipynb")])
    counts = Counter(one.answer for one in usual_claims().values())
    answers = ", ".join(f"{counts[answer]} *{answer}*" for answer in ANSWERS if counts[answer])
    behind = {one.verdict for usual in usual_claims().values() for one in usual.evidence}
    return (
        f"{lessons} lessons, {len(all_exercises())} exercises that name the mistake, {len(QUESTIONS)} exit "
        f"questions. The lessons and their stored studies come to {len(verdicts())} verdicts; {len(behind)} "
        f"of them answer what is usually said, in {sum(counts.values())} claims: {answers}."
    )


def written(page, root=ROOT):
    """The page's text as it should be."""
    text = page.read_text(encoding="utf-8")
    if not MARKED.search(text):
        raise ValueError(
            f"{page} has no place for the numbers, between <!-- numbers --> and <!-- /numbers -->"
        )
    return MARKED.sub(lambda found: found[1] + told(root) + found[2], text)


def main(arguments=None, pages=PAGES):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail where a page differs")
    check, old = parser.parse_args(arguments).check, []
    for page in pages:
        text = written(page)
        if text != page.read_text(encoding="utf-8"):
            old.append(page)
            if not check:
                page.write_text(text, encoding="utf-8")
    for page in old:
        print(f"{page.name} {'has other numbers; run python docs/counted.py' if check else 'is written'}")
    return bool(check and old)


if __name__ == "__main__":
    sys.exit(main())
