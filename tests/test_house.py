"""The drawing of the house in the docs is what the imports say."""

import ast
import re
import textwrap
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path("src/learnability")
DRAWING = Path("docs/house.md")
CHANGES = Path("docs/contributing.md")
ROOM = re.compile(r"^ *\d+  (\w+): (.+)$", re.MULTILINE)


def room_of(path: Path) -> str:
    """Give the folder below the package, or the module beside them."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path):
    """Yield all that a module imports from the package, as a path of names."""
    inside = path.relative_to(PACKAGE).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = inside[: len(inside) - node.level + 1]
            for name in node.names:
                yield (*above, *(node.module or "").split("."), name.name)


def arrows() -> dict[str, set[str]]:
    """Give the rooms that each room imports."""
    rooms = {room_of(path) for path in PACKAGE.rglob("*.py")}
    found = {room: set() for room in rooms if not room.startswith("__")}
    for path in PACKAGE.rglob("*.py"):
        names = [next(filter(None, parts)) for parts in imported(path)]
        if room_of(path) in found:
            found[room_of(path)] |= set(names) & set(found) - {room_of(path)}
    return found


def floors(found: dict[str, set[str]]) -> dict[str, int]:
    """Give each room's floor: one above the highest that it imports."""
    level: dict[str, int] = {}
    for room in TopologicalSorter(found).static_order():  # refuses a circle
        level[room] = 1 + max((level[below] for below in found[room]), default=0)
    return level


def drawing(sentences: dict[str, str]) -> str:
    """Draw the rooms from the highest floor to the lowest, each with its arrows."""
    found = arrows()
    level = floors(found)
    rooms = []
    for room in sorted(found, key=lambda one: (-level[one], one)):
        below = textwrap.wrap(
            " ".join(sorted(found[room])),
            88,
            initial_indent="    -> ",
            subsequent_indent=" " * 7,
        )
        line = f"{level[room]:2}  {room}: {sentences.get(room, '...')}"
        rooms.append("\n".join([line, *below]))
    return "\n\n".join(rooms)


def test_the_drawing_is_what_the_imports_say():
    block = DRAWING.read_text().split("```")[1].strip("\n")
    rooms = re.findall(ROOM, block)
    assert block == drawing(dict(rooms))
    assert all(sentence.endswith(".") for _, sentence in rooms)


def test_every_module_that_the_page_names_is_there():
    rows = re.findall(r"^\| .+? \| (.+?) \| .+ \|$", CHANGES.read_text(), re.M)
    named = re.findall(r"`((?:\w+/)*\w+\.py)`", "\n".join(rows))
    assert named
    for path in named:
        assert (PACKAGE / path).is_file(), path
