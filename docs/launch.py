"""Where readers get in: writes the links and the set-up cell of README and lessons from one place.

Other addresses of the repository and its site, in pages and lessons, follow when it is renamed.

The place is pyproject.toml: ``[project.urls] Repository`` and ``[tool.kdlab] ref``. For a fork or a
release::

    python docs/launch.py --repository OWNER/NAME --ref v1.0

``--check`` writes nothing and fails where something differs.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlencode

import nbformat

ROOT = Path(__file__).resolve().parent.parent
SET_UP = """import importlib.util
from pathlib import Path

if importlib.util.find_spec("kdlab") is None:
    clone = Path("../pyproject.toml").exists()
    source = ".." if clone else "{archive}"
    %pip install --quiet {{source}}

import torch

torch.set_num_threads(1)  # faster than two for networks this small"""


def where(root=ROOT):
    """Owner and name of the repository, and the branch or tag to open."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    address = project["project"]["urls"]["Repository"]
    return address.removeprefix("https://github.com/"), project["tool"]["kdlab"]["ref"]


def doors(repository, ref, lesson):
    """The address of a lesson at each place that opens it, by the place's name."""
    owner, _, name = repository.partition("/")
    return {
        "Open in Colab": f"https://colab.research.google.com/github/{repository}/blob/{ref}/notebooks/{lesson}.ipynb",
        "Open in Binder": f"https://mybinder.org/v2/gh/{repository}/{ref}?labpath=notebooks/{lesson}.ipynb",
        "Read on the site": f"https://{owner.lower()}.github.io/{name}/notebooks/{lesson}.html",
    }


def badges(repository, ref, lesson):
    """README's row of links, with pictures from the repository: nothing is fetched from elsewhere."""
    return " ".join(
        f"[![{words}](docs/badges/{words.split()[-1].lower()}.svg)]({address})"
        for words, address in doors(repository, ref, lesson).items()
    )


def links(repository, ref, lesson):
    """A lesson's row of links, in words: a lesson is copied to where no picture beside it comes along."""
    return " · ".join(f"[{words}]({address})" for words, address in doors(repository, ref, lesson).items())


def lessons(root=ROOT):
    return sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def title(notebook):
    return notebook.cells[0].source.splitlines()[0].removeprefix("# ")


def write_lesson(notebook, path, repository, ref, before, after):
    """Put the row of links, the neighbours and the set-up cell into a lesson; the rest stays."""
    heading, *blocks = notebook.cells[0].source.split("\n\n")
    blocks = [b for b in blocks if not b.startswith(("[Open in", "[previous:", "[next:"))]
    neighbours = [f"[{word}: {title}]({name})" for word, title, name in (before, after) if name]
    row = links(repository, ref, path.stem)
    notebook.cells[0].source = "\n\n".join([heading, row, " · ".join(neighbours), *blocks])
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    first.source = SET_UP.format(archive=f"https://github.com/{repository}/archive/{ref}.zip")


def nbgitpuller(repository, ref, lesson):
    """The link that clones the course into a home on a JupyterHub, as a block of Markdown."""
    query = {
        "repo": f"https://github.com/{repository}",
        "urlpath": f"lab/tree/{repository.split('/')[1]}/notebooks/{lesson}.ipynb",
        "branch": ref,
    }
    return f"```\nhttps://HUB/hub/user-redirect/git-pull?{urlencode(query)}\n```"


def between_marks(path, content, mark="launch"):
    """The file's text with this content between ``<!-- mark -->`` and ``<!-- /mark -->``."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    return re.sub(
        f"{begin}.*?{end}",
        lambda _: f"{begin}\n{content}\n{end}",
        path.read_text(encoding="utf-8"),
        flags=re.S,
    )


def planned(root=ROOT):
    """What README, lessons and the instructors' page should hold: {path: text}."""
    repository, ref = where(root)
    paths = lessons(root)
    notebooks = [nbformat.read(path, as_version=4) for path in paths]
    names = [("", "", "")] + [("", title(n), p.name) for n, p in zip(notebooks, paths)] + [("", "", "")]
    texts = {}
    for i, (path, notebook) in enumerate(zip(paths, notebooks)):
        before, after = ("previous", *names[i][1:]), ("next", *names[i + 2][1:])
        write_lesson(notebook, path, repository, ref, before, after)
        texts[path] = nbformat.writes(notebook) + "\n"
    readme, room = root / "README.md", root / "docs" / "instructors" / "room.md"
    texts[readme] = between_marks(readme, badges(repository, ref, paths[0].stem))
    texts[room] = between_marks(room, nbgitpuller(repository, ref, paths[0].stem))
    return texts


def renamed(text, old, new):
    """A text in which the repository's addresses, and those of its site, are another's."""
    other = dict(zip(addresses(old), addresses(new)))
    known = "|".join(re.escape(address) for address in other)
    return re.sub(rf"({known})(?![\w-])", lambda found: other[found[1]], text)


def addresses(repository):
    owner, _, name = repository.partition("/")
    return f"github.com/{repository}", f"{owner.lower()}.github.io/{name}"


def pages(root=ROOT):
    """Files whose text leads to the repository or the site; those that the site's build writes are not."""
    docs = root / "docs"
    found = [*root.glob("*.md"), root / "CITATION.cff", root / "pyproject.toml", *lessons(root)]
    return [*found, *docs.glob("*.md"), *docs.glob("instructors/*.md"), *docs.glob("releases/*.md")]


def rename(old, new, root=ROOT):
    """Lead everywhere to another repository."""
    for path in pages(root):
        if path.exists():
            text = path.read_text(encoding="utf-8")
            if renamed(text, old, new) != text:
                path.write_text(renamed(text, old, new), encoding="utf-8")


def set_ref(ref, root=ROOT):
    """Write the branch or tag into pyproject.toml."""
    path = root / "pyproject.toml"
    text = re.sub(r'^ref = ".*"$', f'ref = "{ref}"', path.read_text(encoding="utf-8"), flags=re.M)
    path.write_text(text, encoding="utf-8")


def main(arguments=None, root=ROOT):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repository", metavar="OWNER/NAME", help="on GitHub; default: as it is")
    parser.add_argument("--ref", metavar="TAG", help="branch or tag to open; default: as it is")
    parser.add_argument("--check", action="store_true", help="write nothing, fail where something differs")
    options = parser.parse_args(arguments)
    repository, ref = where(root)
    repository, ref = options.repository or repository, options.ref or ref
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        parser.error(f"--repository must be OWNER/NAME, got {repository!r}")
    if not re.fullmatch(r"[\w./-]+", ref):
        parser.error(f"--ref must be a branch or tag, got {ref!r}")
    if not options.check:
        rename(where(root)[0], repository, root)
        set_ref(ref, root)
    differ = [path for path, text in planned(root).items() if path.read_text(encoding="utf-8") != text]
    if options.check:
        for path in differ:
            print(f"{path.relative_to(root)} does not agree with pyproject.toml; run python docs/launch.py")
        return bool(differ)
    for path, text in planned(root).items():
        if path in differ:
            path.write_text(text, encoding="utf-8")
    print(f"{len(differ)} of {len(planned(root))} files written for {repository} at {ref}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
