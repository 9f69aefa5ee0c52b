"""The documents say what is so: their links lead somewhere, the walks name what exists, and the examples work."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w+) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HOP = re.compile(r"^\| (\d+) \| `([^`]+)` `([^`]+)` \|", re.MULTILINE)


class Example(NamedTuple):
    """A block of code of docs/extending.md: of a new file, of a change to one (diff), or to try."""

    language: str
    where: str
    code: str


EXAMPLES = [Example(*found) for found in FENCE.findall((ROOT / "docs" / "extending.md").read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, heading = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles], target


def test_each_hop_of_the_walks_exists() -> None:
    for _, path, name in HOP.findall(ARCHITECTURE):
        text = (ROOT / path).read_text(encoding="utf-8")
        if path.endswith(".js"):
            assert re.search(rf"^\s*(export function )?{name}\(.*\{{$", text, re.MULTILINE), (path, name)
        else:
            assert name in defined(ast.parse(text)), (path, name)


@pytest.mark.parametrize(("walk", "most"), [("A pixel", 11), ("A label", 20)])
def test_the_walks_are_as_long_as_their_headings_say(walk: str, most: int) -> None:
    said, section = re.search(rf"^### {walk},[^\n]*: (\d+) hops$(.*?)(?=^#|\Z)", ARCHITECTURE, re.M | re.S).groups()
    assert [int(number) for number, *_ in HOP.findall(section)] == list(range(1, int(said) + 1))
    assert int(said) <= most


def defined(tree: ast.Module) -> set[str]:
    """The functions of a module, methods as ``Class.method``."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = {f"{c.name}.{node.name}" for c in classes for node in c.body if isinstance(node, ast.FunctionDef)}
    return methods | {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def changed(text: str, change: str) -> str:
    """A text after a change: pieces of it, between lines of dots, with - and + as in a diff; each must occur once."""
    for piece in change.split("...\n"):
        lines = piece.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] != "+")
        after = "".join(line[1:] for line in lines if line[0] != "-")
        if all(line[0] != " " for line in lines):  # within a line
            before, after = before.rstrip("\n"), after.rstrip("\n")
        assert text.count(before) == 1, piece
        text = text.replace(before, after)
    return text


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program with all examples added."""
    root = tmp_path_factory.mktemp("extended")
    for name in ("dgm_engine", "pages"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for language, where, code in EXAMPLES:
        path = root / where
        if language == "diff":
            path.write_text(changed(path.read_text(encoding="utf-8"), code), encoding="utf-8")
        elif where != "try":
            assert not path.exists()
            path.write_text(code, encoding="utf-8")
    return root


def run_in(root: Path, script: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_examples_of_how_to_add_something_work(extended: Path) -> None:
    tried = [code for _, where, code in EXAMPLES if where == "try"]
    assert len(tried) == 7
    run_in(extended, "\n".join(f"exec({code!r}, {{}})" for code in tried))


def test_the_command_line_knows_what_was_added(extended: Path) -> None:
    helped = "from contextlib import suppress\nfrom dgm_engine.cli import main\n"
    for command in ("new", "train", "label", "suggest"):
        helped += f"with suppress(SystemExit):\n    main([{command!r}, '--help'])\n"
    said = " ".join(run_in(extended, helped).split())
    for words in ("a .tsv of feature vectors", "gm-m2", "TSV with the columns of a CSV, between tabs", "surest"):
        assert words in said
