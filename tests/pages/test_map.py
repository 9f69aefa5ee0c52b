"""The map: what a lasso and a box enclose, and where images are."""

import numpy as np
from streamlit.testing.v1 import AppTest

from dgm_engine.services import layouts, mapping, scoping, viewing
from dgm_engine.services.projects import Project
from dgm_engine.services.scoping import Scope
from dgm_engine.services.snapshot import take
from pages import _map, _plotly_map
from pages._state import Key
from tests.pages.screens import without_fault


def lassoed(
    mapped: Project, polygon: list[list[float]], mode: str, scope: Scope, dimmed: tuple[int, ...] = (), look: str = ""
) -> Scope:
    """The scope after the map says that a polygon of its unit square was drawn."""

    def page(project: "Project", event: "dict[str, object]", scope: "Scope") -> None:
        import streamlit as st

        from dgm_engine.services import layouts
        from dgm_engine.services.snapshot import take
        from pages import _map, _state
        from pages._colours import Colour, look

        st.session_state[_state.Key.SCOPE] = scope
        seen = take(project)
        where = _map.places(project, layouts.ensure_layout(seen))
        drawn = look(seen, where, Colour.CLUSTER, scope)
        st.session_state[_state.Key.MAP] = {"enclosed": {"token": where.token, "look": drawn.token} | event}
        _map._on_enclosed(seen, where, drawn)

    event = {"polygon": polygon, "mode": mode, "dimmed": list(dimmed)} | ({"look": look} if look else {})
    app = AppTest.from_function(page, args=(mapped, event, scope)).run()
    return without_fault(app).session_state[Key.SCOPE]


def test_a_lasso_selects_exactly_what_it_encloses_adds_takes_away_and_minds_filters(mapped: Project) -> None:
    view = viewing.view(take(mapped))
    where = _map.places(mapped, layouts.ensure_layout(take(mapped)))
    assert where is not None
    x, y = (where.xy / mapping.COORDINATE_STEPS).T
    left = [[-1.0, -1.0], [0.5, -1.0], [0.5, 2.0], [-1.0, 2.0]]
    low = [[-1.0, -1.0], [2.0, -1.0], [2.0, 0.5], [-1.0, 0.5]]

    scope = lassoed(mapped, left, "replace", Scope())
    assert np.array_equal(scoping.picked(take(mapped), scope), x < 0.5)
    added = lassoed(mapped, low, "add", scope)
    assert np.array_equal(scoping.picked(take(mapped), added), (x < 0.5) | (y < 0.5))
    taken = lassoed(mapped, low, "subtract", scope)
    assert np.array_equal(scoping.picked(take(mapped), taken), (x < 0.5) & (y > 0.5))

    filtered = lassoed(mapped, left, "replace", Scope(clusters=(3, 4)))
    assert np.array_equal(scoping.picked(take(mapped), filtered), (x < 0.5) & np.isin(view.component, (3, 4)))
    dimmed = lassoed(mapped, left, "replace", Scope(), dimmed=(3,))
    assert np.array_equal(scoping.picked(take(mapped), dimmed), (x < 0.5) & (view.component != 3))
    assert lassoed(mapped, left, "replace", scope, dimmed=(3,), look="earlier") == scope  # group 3 may be another now
    assert not lassoed(mapped, [[2.0, 2.0], [3.0, 2.0], [3.0, 3.0]], "replace", scope).selection


def test_a_box_and_a_lasso_of_the_plain_map_select_what_they_enclose(mapped: Project) -> None:
    where = _map.places(mapped, layouts.ensure_layout(take(mapped)))
    assert where is not None
    x, y = (where.xy / mapping.COORDINATE_STEPS).T
    lasso = {"x": [-1, 0.3, 0.3, -1], "y": [-1, -1, 2, 2]}
    box = {"x": [0.6, 2], "y": [2, 0.4]}
    found = _plotly_map.enclosed(where, {"lasso": [lasso], "box": [box]})
    assert np.array_equal(found, (x < 0.3) | ((x > 0.6) & (y > 0.4)))


def test_positions_follow_ids_and_leave_out_those_not_shown(trained: Project) -> None:
    view = viewing.view(take(trained))
    found = viewing.positions(trained, view.rows, ["train/00007", "test/00000", "train/00003"])
    assert view.items[found].tolist() == ["train/00007", "train/00003"]
    assert len(viewing.positions(trained, view.rows, [])) == 0
