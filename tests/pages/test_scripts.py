"""The scripts of the components: joined from modules, and with the contract that Python states."""

import re
from pathlib import Path

import pytest

from pages._contract import CONTRACT, contract
from pages._scripts import ScriptError, joined

ASSETS = CONTRACT.parent
ENTRIES = sorted(file for file in ASSETS.rglob("*.js") if re.search("^export default", file.read_text(), re.MULTILINE))


def modules(folder: Path, **texts: str) -> Path:
    """Writes modules; returns the first, the entry."""
    for name, text in texts.items():
        (folder / f"{name}.js").write_text(text, encoding="utf-8")
    return folder / f"{next(iter(texts))}.js"


def test_every_module_comes_once_and_before_those_that_import_it(tmp_path: Path) -> None:
    entry = modules(
        tmp_path,
        entry='import { a } from "./a.js";\nimport { b } from "./b.js";\nexport default function () { a(b); }\n',
        a='import {\n  b,\n  other,\n} from "./b.js";\nexport function a() { return b + other; }\n',
        b='/** @import { a } from "./a.js" */\nexport const b = 1;\nexport const other = 2;\n',
    )
    script = joined(entry)
    assert not re.search("^(import|export (?!default))", script, re.MULTILINE)
    places = [script.index(text) for text in ("const b = 1", "const other = 2", "function a()", "export default")]
    assert places == sorted(places)
    assert script.count("const b = 1") == 1


def test_comments_on_lines_of_their_own_are_left_out_and_no_code_with_them(tmp_path: Path) -> None:
    text = """// @ts-check
/** @typedef {number} N */
/**
 * Of several lines.
 */
const a = 1; // stays
  /** @type {N} */
const b = /** @type {N} */ (a);
/** @type {N} */ (b).toFixed();
const address = "https://example.org";
/** One more. */
export default () => address;
"""
    code = ["const a = 1; // stays", "const b = /** @type {N} */ (a);", "/** @type {N} */ (b).toFixed();"]
    code += ['const address = "https://example.org";', "export default () => address;"]
    assert joined(modules(tmp_path, entry=text)).splitlines() == code


def test_a_module_of_another_folder_is_the_same_one_by_any_way(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    modules(tmp_path, shared="export const shared = 1;\n")
    modules(tmp_path / "part", a='import { shared } from "../shared.js";\nexport const a = shared;\n')
    text = 'import { a } from "./part/a.js";\nimport { shared } from "./shared.js";\nexport default () => a + shared;\n'
    assert joined(modules(tmp_path, entry=text)).count("shared = 1") == 1


ENTRY = 'import { a } from "./a.js";\nexport default () => a;\n'


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ({"entry": ENTRY}, r"entry\.js imports .*a\.js, which does not exist"),
        (
            {
                "entry": ENTRY,
                "a": 'import { b } from "./b.js";\nexport const a = b;\n',
                "b": 'import { a } from "./a.js";\nexport const b = a;\n',
            },
            r"in a circle: a\.js -> b\.js -> a\.js",
        ),
        ({"entry": ENTRY, "a": "const a = 1;\n"}, "imports “a”, which a.js does not export"),
        ({"entry": f"{ENTRY}const own = 1;\n", "a": "export const a = 1;\nlet own = 2;\n"}, "both declare “own”"),
        ({"entry": f"{ENTRY}function* own() {{}}\n", "a": "export const a = 1;\nclass own {}\n"}, "both declare “own”"),
        ({"entry": ENTRY, "a": "export const a = 1;\nconst { b } = window;\n"}, "takes values apart"),
        ({"entry": ENTRY.replace("{ a }", "{ a as b }"), "a": "export const a = 1;\n"}, "imports “a as b”"),
        ({"entry": ENTRY.replace("{ a }", "* as a"), "a": "export const a = 1;\n"}, r"has “import \* as a"),
        ({"entry": 'import "./a.js";\nexport default () => 1;\n', "a": ""}, "has “import"),
        ({"entry": ENTRY, "a": "export const a = 1;\nexport default a;\n"}, "has “export default a;”"),
        ({"entry": "const a = 1;\n"}, "has no default export"),
    ],
)
def test_what_cannot_be_joined_is_refused_with_its_reason(tmp_path: Path, texts: dict[str, str], reason: str) -> None:
    entry = modules(tmp_path, **texts)
    with pytest.raises(ScriptError, match=reason):
        joined(entry)


def test_a_missing_entry_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=r"none\.js, which does not exist"):
        joined(tmp_path / "none.js")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.stem)
def test_the_script_of_every_component_can_be_joined(entry: Path) -> None:
    assert joined(entry).count("\nexport default ") == 1


def test_every_script_is_checked_for_its_types() -> None:
    scripts = list(ASSETS.rglob("*.js"))
    assert len(scripts) > len(ENTRIES) > 1
    assert [script.name for script in scripts if not script.read_text().startswith("// @ts-check\n")] == []


def test_the_contract_is_up_to_date() -> None:
    assert CONTRACT.read_text(encoding="utf-8") == contract(), "run python -m pages._contract"
