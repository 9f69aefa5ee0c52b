"""What tests of pages share: pages run without a browser, and what stands on them."""

from pathlib import Path

from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx
from streamlit.testing.v1 import AppTest

from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from pages._state import Key

ROOT = Path(__file__).parents[2]
FAULT = "The program has a fault"


def opened(page: str, project: Project | None) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=20)
    if project is not None:
        app.session_state[Key.PROJECT] = str(project.paths.root)
    app.run()
    if page != "projects":
        app.switch_page(f"pages/{page}.py").run()
    return without_fault(app)


def without_fault(app: AppTest) -> AppTest:
    assert not app.exception
    assert not [said.value for said in (*app.error, *app.toast) if FAULT in said.value]
    return app


def texts(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.subheader, app.info, app.success, app.error, app.warning)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def press(app: AppTest, label: str) -> AppTest:
    button = next(b for b in app.button if b.label == label)
    button.click().run()
    return without_fault(app)


def in_use(project: Project) -> int:
    return take(project).run.number


def ask_for_another_run() -> None:
    """What the browser does in the midst of a script: of the same page, at the same address."""
    context = get_script_run_ctx()
    assert context is not None
    assert context.script_requests is not None
    context.script_requests.request_rerun(RerunData(query_string=context.query_string))


def badges(app: AppTest) -> str:
    """How the header says that the last run ended, and where that leads to."""
    links = [f"{link.proto.label} -> {link.proto.page}" for link in app.main.get("page_link")]
    return " ".join([*links, *(said.value for said in app.main.markdown if "-badge[" in said.value)])


def cut(path: Path) -> None:
    """Leaves the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
