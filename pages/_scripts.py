"""Joins the modules of a component to the one script that Streamlit takes.

The modules are plain ES modules, which editors, tests and the type checker read as they are. `joined` follows the
imports of the entry, puts every module before those that import it, and removes ``import`` and ``export``. All modules
then share one scope, so no two of them may declare the same name at their top level. Comments on lines of their own are
removed too, because Streamlit sends the script of a component again whenever it sends data.
"""

import re
from pathlib import Path

_IMPORT = re.compile(r'^import \{([^{}]*)\} from "(\.[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:const|let|class|function|async function)\b)", re.MULTILINE)
_DECLARED = re.compile(r"^(export )?(?:const|let|var|class|(?:async )?function)\b *\*? *(\w+)?", re.MULTILINE)
_DEFAULT_EXPORT = re.compile(r"^export default ", re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*(?:/\*\*(?:(?!\*/).)*\*/[ \t]*|//[^\n]*)\n", re.MULTILINE | re.DOTALL)
_UNJOINED = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


class ScriptError(Exception):
    """Modules that cannot be joined: a fault of ours."""


def joined(entry: Path) -> str:
    """The script of an entry module and of all that it imports; its default export is the script's.

    Raises:
        ScriptError: a module is missing, imports itself by way of others, imports a name that is not exported, declares
            a name that another one has, or imports or exports in a way that cannot be joined.
    """
    modules: dict[Path, str] = {}
    _follow(entry.resolve(), (), modules)
    _refuse_clashes(modules)
    parts = [_bare(path, text, is_entry=path == entry.resolve()) for path, text in modules.items()]
    return "\n".join(parts)


def _follow(path: Path, above: tuple[Path, ...], modules: dict[Path, str]) -> None:
    """Adds a module after those that it imports; `above` are the modules on the way to it."""
    if path in above:
        circle = " -> ".join(module.name for module in (*above[above.index(path) :], path))
        raise ScriptError(f"modules import each other in a circle: {circle}")
    if path in modules:
        return
    if not path.is_file():
        raise ScriptError(f"{above[-1].name if above else 'a component'} imports {path}, which does not exist")
    text = path.read_text(encoding="utf-8")
    for names, source in _IMPORT.findall(text):
        imported = (path.parent / source).resolve()
        _follow(imported, (*above, path), modules)
        exported = {name for export, name in _DECLARED.findall(modules[imported]) if export}
        for name in filter(None, (name.strip() for name in names.split(","))):
            if name not in exported:
                raise ScriptError(f"{path.name} imports “{name}”, which {imported.name} does not export by that name")
    modules[path] = text


def _refuse_clashes(modules: dict[Path, str]) -> None:
    owner: dict[str, Path] = {}
    for path, text in modules.items():
        for _, name in _DECLARED.findall(text):
            if not name:
                raise ScriptError(f"{path.name} takes values apart at its top level; declare one name at a time there")
            if name in owner:
                raise ScriptError(f"{path.name} and {owner[name].name} both declare “{name}”; rename one of them")
            owner[name] = path


def _bare(path: Path, text: str, *, is_entry: bool) -> str:
    """A module without its imports, exports and comments; the entry keeps its default export."""
    text = _COMMENT.sub("", _EXPORT.sub("", _IMPORT.sub("", text)))
    for found in _UNJOINED.findall(text):
        if not (is_entry and _DEFAULT_EXPORT.match(found)):
            raise ScriptError(f"{path.name} has “{found}”; modules may only import {{ names }} and export declarations")
    if is_entry and not _DEFAULT_EXPORT.search(text):
        raise ScriptError(f"{path.name} is the entry of a component and has no default export")
    return text
