"""The house, read off its own tree: imports run downwards, nothing private is borrowed, rooms are small."""

import ast
import graphlib
from pathlib import Path

import pytest

import kdlab

HOUSE = Path(kdlab.__file__).parent
FILES = sorted(HOUSE.rglob("*.py"))


def module_of(path):
    """The name by which a file is imported, without the package's own."""
    parts = path.relative_to(HOUSE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}
WHERE = {path: name for name, path in MODULES.items()}


def imports(text):
    """(module, name or None) of everything that a file's text imports from the package."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            if node.module == "kdlab" or (node.module or "").startswith("kdlab."):
                found += [(node.module.partition(".")[2], alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(a.name.partition(".")[2], None) for a in node.names if a.name.startswith("kdlab.")]
    # from a package: a module of it, or a name in it
    inner = [(f"{module}.{name}".lstrip("."), None) for module, name in found]
    return [deep if deep[0] in MODULES else one for one, deep in zip(found, inner)]


def room(module):
    """The folder, or the file at the top, that a module stands in."""
    return module.partition(".")[0]


def graph(files, unit):
    """Which unit imports which others, for texts by module name."""
    edges = {}
    for module, text in files.items():
        if module:  # the package's own door opens the others when they are asked for
            mine = edges.setdefault(unit(module), set())
            mine |= {unit(other) for other, _ in imports(text) if other} - {unit(module)}
    return edges


def circle(edges):
    try:
        graphlib.TopologicalSorter(edges).prepare()
    except graphlib.CycleError as error:
        return " imports ".join(reversed(error.args[1]))


def intruders(edges):
    """Who imports the photo tool, but for the command line and the door named after a room there."""
    doors = {"__main__", "photos"} | {
        module.partition(".")[2] for module in MODULES if room(module) == "photos"
    }
    reach, new = set(), {"photos"}
    while new:
        reach |= new
        new = {unit for unit, others in edges.items() if others & reach} - reach
    return reach - doors


TEXTS = {module: path.read_text(encoding="utf-8") for module, path in MODULES.items()}


def test_a_folder_imports_only_from_below_and_there_are_no_circles():
    assert circle(graph(TEXTS, room)) is None
    assert circle(graph(TEXTS, lambda module: module)) is None


def test_nothing_of_the_course_imports_the_photo_tool():
    assert intruders(graph(TEXTS, room)) == set()


@pytest.mark.parametrize(
    "module, line, unit",
    [
        ("losses.feature", "from kdlab.study import compare", room),
        ("terms", "from kdlab import distill", room),
        ("photos.settings", "from kdlab.photos.training import fit", lambda module: module),
        ("models.digits", "import kdlab.teachers.sources", room),
    ],
)
def test_a_line_that_leads_upwards_is_found(module, line, unit):
    assert unit(module) in circle(graph({**TEXTS, module: f"{TEXTS[module]}\n{line}\n"}, unit))


@pytest.mark.parametrize("module", ["widgets", "study", "classroom", "losses.common"])
def test_a_line_that_leads_to_the_photo_tool_is_found(module):
    for line in ("from kdlab import photos", "from kdlab.photos.cache import Cache", "import kdlab.run"):
        assert room(module) in intruders(graph({**TEXTS, module: f"{TEXTS[module]}\n{line}\n"}, room))


@pytest.mark.parametrize("path", FILES, ids=lambda path: WHERE[path] or "kdlab")
def test_a_room_is_small_and_borrows_nothing_private(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    named = {name or module.split(".")[-1] for module, name in imports(text)}
    assert not [name for name in named if name.startswith("_")]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in named:
            assert not node.attr.startswith("_") or node.attr.endswith("__"), f"{node.value.id}.{node.attr}"


def test_what_stands_at_the_top_is_public():
    rooms = {room(module) for module in MODULES} - {"", "__main__"}
    assert rooms | {"progress"} == {name for name in dir(kdlab) if name in rooms} | {"progress"}
    for name in rooms:
        assert getattr(kdlab, name).__name__ == f"kdlab.{name}"
        assert getattr(kdlab, name).__doc__, name
    with pytest.raises(AttributeError, match="module 'kdlab' has no attribute 'cache'"):
        kdlab.cache  # noqa: B018


# ---- files of text

ROOT = HOUSE.parent
NO_TEXT = ("os", "Image", "room")  # whose ``open`` is another


def unnamed_encodings(text):
    """Lines on which a file is opened as text in whatever encoding the machine is set to."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or any(k.arg in ("encoding", None) for k in node.keywords):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        whose = getattr(getattr(node.func, "value", None), "id", None)
        given = node.args[whose is None :] if name == "open" else node.args
        given = given or [k.value for k in node.keywords if k.arg == "mode"]
        binary = name == "open" and given and "b" in str(getattr(given[0], "value", ""))
        if name in ("read_text", "write_text", "open") and whose not in NO_TEXT and not binary:
            yield f"{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("folder", ["kdlab", "docs", "studies", "tests"])
def test_no_text_is_opened_without_naming_its_encoding(folder):
    ours = (path for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts)
    found = {str(path): [*unnamed_encodings(path.read_text(encoding="utf-8"))] for path in ours}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("path.read_text()", 1), ("(a / b).write_text(text)", 1), ("open(path)", 1), ("open(path, 'w')", 1),
        ("open(path, mode='a')", 1), ("path.open()", 1), ("path.open('w')", 1),
        ("open(path, 'rb')", 0), ("path.open('wb')", 0), ("path.read_text(encoding='utf-8')", 0),
        ("os.open(path, flags)", 0), ("open(path, mode='rb')", 0), ("open(path, **options)", 0),
    ],
)  # fmt: skip
def test_a_line_that_names_none_is_found(line, found):
    assert len([*unnamed_encodings(line)]) == found
