"""The pages of the API, and the house: every public module, on a floor that follows from its imports."""

import ast
import graphlib
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAD = """# API

Names follow the field's standard terms. Losses take the student first and the teacher second, options by keyword, and give a tensor without dimensions.

A module imports from the floors below its own only. This page is generated from the imports; nothing in it is typed.
"""  # noqa: E501


def _parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def _imported(tree):
    """Names taken from this package: {name: module}, ``kdlab.distill`` or ``kdlab``."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "kdlab":
            found |= {alias.asname or alias.name: node.module for alias in node.names}
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("kdlab.")]
            found |= {name.split(".")[1]: "kdlab" for name in names}
    return found


def _exported(tree):
    """What ``__all__`` lists."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return []


def _sentence(path):
    """The first line of a module's docstring, as Markdown."""
    line = (ast.get_docstring(_parsed(path)) or "").split("\n")[0]
    return re.sub(r":(\w+):`", r"{py:\1}`", line).replace("|", "\\|")


def rooms(package=ROOT / "kdlab"):
    """Public modules and folders of the package: {name: its files, the one that stands for it first}."""
    found = {}
    for path in sorted(package.iterdir()):
        if path.suffix == ".py" and not path.name.startswith("_"):
            found[path.stem] = [path]
        elif (path / "__init__.py").exists():
            modules = sorted(p for p in path.glob("*.py") if not p.name.startswith("_"))
            found[path.name] = [path / "__init__.py", *modules]
    return found


def imports(package=ROOT / "kdlab"):
    """The rooms that each room imports from."""
    found, there = {}, rooms(package)
    for room, paths in there.items():
        imported = {
            name if module == "kdlab" else module.split(".")[1]
            for path in paths
            for name, module in _imported(_parsed(path)).items()
        }
        found[room] = imported & set(there) - {room}
    return found


def floors(package=ROOT / "kdlab"):
    """Each room's floor: 0, or one above the highest that it imports from.

    Raises
    ------
    graphlib.CycleError
        If rooms import one another in a circle.
    """
    below, found = imports(package), {}
    for room in graphlib.TopologicalSorter(below).static_order():
        found[room] = 1 + max((found[other] for other in below[room]), default=-1)
    return found


def _index(package):
    there, on = rooms(package), floors(package)
    lines = [HEAD, "| floor | module | what it holds |", "|---|---|---|"]
    for floor in sorted(set(on.values()), reverse=True):
        for i, room in enumerate(name for name in there if on[name] == floor):
            said = _sentence(there[room][0])
            lines.append(f"| {'' if i else floor} | {{py:mod}}`kdlab.{room}` | {said} |")
    folders = [room for room, paths in there.items() if len(paths) > 1]
    return "\n".join([*lines, "", "```{toctree}", ":maxdepth: 1", "", "core", *folders, "```", ""])


def _automodule(name, leave=(), *more):
    options = [":members:", *([f":exclude-members: {', '.join(leave)}"] if leave else []), *more]
    return "\n".join(
        [
            f"## `{name}`\n",
            "```{eval-rst}",
            f".. automodule:: {name}",
            *(f"   {option}" for option in options),
            "```\n",
        ]
    )


def _core(package):
    """Each object where it is defined; what a module hands on from another is named."""
    parts = ["# Core\n"]
    for room, (path, *rest) in rooms(package).items():
        if rest:
            continue
        tree = _parsed(path)
        imported = _imported(tree)
        handed_on = [name for name in _exported(tree) if name in imported]
        parts.append(_automodule(f"kdlab.{room}", handed_on))
        if handed_on:
            listed = ", ".join(f"{{py:obj}}`{name} <{imported[name]}.{name}>`" for name in handed_on)
            parts.append(f"Also here: {listed}.\n")
    return "\n".join(parts)


def _folder(room, paths):
    """What the folder exports as the folder's; in its files the rest."""
    exported = _exported(_parsed(paths[0]))
    parts = [f"# {room.capitalize()}\n", _automodule(f"kdlab.{room}")]
    for name in (path.stem for path in paths[1:]):
        more = [":no-index:"] if name in exported else []  # what is exported has this name in the index
        parts.append(_automodule(f"kdlab.{room}.{name}", exported, *more))
    return "\n".join(parts)


def pages(package=ROOT / "kdlab"):
    """All pages: {name: Markdown}."""
    folders = {room: _folder(room, paths) for room, paths in rooms(package).items() if len(paths) > 1}
    return {"index": _index(package), "core": _core(package), **folders}


def write(folder):
    """Write all pages into an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, text in pages().items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")


def mend_back_links(app, error):
    """From a file's source back to where each object is documented: as the folder's, or as the file's.

    Sphinx's viewcode keeps one of the two for a whole file.
    """
    if error or app.builder.name != "html":
        return
    known, sources = app.env.get_domain("py").objects, Path(app.outdir) / "_modules"
    for page in (sources / "kdlab").rglob("*.html"):
        file = ".".join(page.relative_to(sources).with_suffix("").parts)
        link = re.compile(
            rf'(?<=class="viewcode-back" href=")([^"#]+)#({re.escape(file.rpartition(".")[0])}[^"]+)"'
        )

        def mended(found, file=file):
            address, name = found.groups()
            room = file.rpartition(".")[0]
            own = name if name.startswith(f"{file}.") else file + name.removeprefix(room)
            right = next((n for n in (name, own) if n in known and known[n].objtype != "module"), None)
            return f'{address}#{right}"' if right else f'{address}"'

        page.write_text(link.sub(mended, page.read_text(encoding="utf-8")), encoding="utf-8")
