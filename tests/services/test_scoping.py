"""Filters and selections, which map, grid and address share."""

import numpy as np

from dgm_engine.services import labelling, scoping, viewing
from dgm_engine.services.projects import Project
from dgm_engine.services.scoping import Scope
from dgm_engine.services.snapshot import take
from dgm_engine.services.viewing import ItemState

FULL = Scope((3, 5), ("a b", ""), (ItemState.LABELLED,), (20, 90), True, "train/0001", "abc123")


def lists(query: dict[str, str | list[str]]) -> dict[str, list[str]]:
    return {name: [value] if isinstance(value, str) else value for name, value in query.items()}


def test_an_address_says_all_of_a_scope_and_nothing_of_an_empty_one() -> None:
    assert Scope.from_query(lists(FULL.to_query())) == FULL
    assert set(FULL.to_query()) == set(scoping.ADDRESS_PARAMETERS)
    assert Scope().to_query() == {}
    assert Scope.from_query({}) == Scope()


def test_what_cannot_be_read_of_an_address_is_left_as_by_default() -> None:
    odd = {"clusters": ["x", "-1", "2"], "states": ["labelled", "lost"], "confidence": ["90-10"], "disputed": ["yes"]}
    assert Scope.from_query(odd) == Scope(clusters=(2,), states=(ItemState.LABELLED,))


def test_each_filter_lets_through_what_it_says(trained: Project) -> None:
    labelling.name_component(trained, 3, "three", "ann")
    labelling.label_items(trained, ["train/00003", "train/00005"], "three", "ann")
    view = viewing.view(take(trained))

    def found(**filters: object) -> set[str]:
        return set(view.items[scoping.filtered(take(trained), Scope(**filters))].tolist())  # type: ignore[arg-type]

    assert found() == set(view.items.tolist())
    assert found(clusters=(3, 4)) == set(view.items[(view.component == 3) | (view.component == 4)].tolist())
    assert found(classes=("three",)) == set(view.items[view.class_name == "three"].tolist())
    assert found(states=(ItemState.LABELLED,)) == {"train/00003", "train/00005"}
    assert found(confidence=(0, 80)) == set()
    assert found(confidence=(80, 100)) == set(view.items.tolist())
    assert found(text="RAIN/0000") == {f"train/{i:05d}" for i in range(10)}
    assert found(text="rain/0000", states=(ItemState.LABELLED,)) == {"train/00003", "train/00005"}
    wrong = {i for i in ("train/00003", "train/00005") if view.predicted[view.items == i][0] != "three"}
    assert found(disputed=True) == wrong
    assert wrong


def test_a_selection_is_kept_by_item_and_shrinks_to_what_filters_let_through(trained: Project) -> None:
    view = viewing.view(take(trained))
    mask = np.isin(view.component, [3, 4])
    scope = scoping.pick(take(trained), Scope(), mask)

    assert (scoping.picked(take(trained), scope) == mask).all()
    narrowed = scoping.picked(take(trained), Scope(clusters=(3,), selection=scope.selection))
    assert (narrowed == (view.component == 3)).all()
    assert scoping.pick(take(trained), Scope(), mask) == scope  # the same images, the same name
    assert scoping.pick(take(trained), scope, np.zeros_like(mask)) == Scope()


def test_an_unknown_selection_selects_nothing_nor_does_a_path(trained: Project) -> None:
    view = viewing.view(take(trained))
    assert not scoping.picked(take(trained), Scope(selection="0123456789abcdef")).any()
    rows = trained.paths.root / "rows.npy"
    np.save(rows, view.rows)
    assert not scoping.picked(take(trained), Scope(selection="../rows")).any()


def test_old_selections_make_room(trained: Project) -> None:
    each = np.eye(scoping.SELECTIONS_KEPT + 2, len(trained.pool.shown), dtype=bool)
    scopes = [scoping.pick(take(trained), Scope(), mask) for mask in each]
    there = [scoping.picked(take(trained), scope).any() for scope in scopes]
    assert there == [False] * 2 + [True] * scoping.SELECTIONS_KEPT
