"""What the browser sends is read by type; what is not of its type is refused with a message."""

from dataclasses import is_dataclass

import pytest

from dgm_engine.errors import InputError
from pages import _board_messages, _map_messages, _messages
from pages._board_messages import BoardState, BoardTriggers, Said, Say, Statement
from pages._map_messages import Enclosed, Live, MapTriggers, Pick
from pages._messages import FROM_BROWSER, TO_BROWSER
from pages._wire import packed, read, sent

STATEMENT = {"seq": 3, "project": "/p", "audit": 0, "kind": "label", "items": ["a"], "names": ["x"]}
ENCLOSED = {"token": "t", "look": "l", "polygon": [[0, 1], [0.5, 0.25]], "mode": "add", "dimmed": []}


def test_a_message_is_read_by_its_types() -> None:
    assert read(Statement, STATEMENT) == Statement(3, "/p", 0, Say.LABEL, ("a",), ("x",))
    assert read(Enclosed, ENCLOSED) == Enclosed("t", "l", ((0, 1), (0.5, 0.25)), Pick.ADD, ())
    assert sent(MapTriggers, "enclosed", {"enclosed": ENCLOSED}).mode is Pick.ADD
    assert sent(BoardTriggers, "turned", {"turned": 2}) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": "shrug"}, "'shrug' as “statement.kind”, where the app expects one of label, reject"),
        ({"kind": None}, "“statement.kind”"),
        ({"items": "a"}, "“statement.items”, where the app expects a value of type list"),
        ({"items": [1]}, "“statement.items”, where the app expects a value of type str"),
        ({"audit": True}, "“statement.audit”, where the app expects a value of type int"),
        ({"audit": "1"}, "“statement.audit”"),
    ],
)
def test_a_field_of_another_type_is_refused_by_its_name(change: dict[str, object], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read(Statement, STATEMENT | change)


def test_a_missing_field_is_refused_by_its_name() -> None:
    with pytest.raises(InputError, match="a field “names”; reload the page"):
        read(Statement, {name: value for name, value in STATEMENT.items() if name != "names"})
    with pytest.raises(InputError, match="“enclosed”"):
        sent(MapTriggers, "enclosed", {})


def test_statements_are_left_to_be_read_one_by_one() -> None:
    said: Said = sent(BoardState, "said", {"said": {"client": "c", "statements": [STATEMENT, {"seq": 4}], "tries": 1}})
    assert said.statements == (STATEMENT, {"seq": 4})


def test_a_message_travels_with_all_that_is_in_it() -> None:
    assert packed(Live("o", (1,), (0.5, 0.5), None, (-1,))) == {
        "order": "o",
        "points": (1,),
        "xy": (0.5, 0.5),
        "hues": None,
        "components": (-1,),
    }


def test_every_message_is_in_the_contract() -> None:
    modules = (_board_messages, _map_messages, _messages)
    named = [value for module in modules for value in vars(module).values()]
    defined = {kind for kind in named if is_dataclass(kind) and isinstance(kind, type)}
    assert defined == {*TO_BROWSER, *FROM_BROWSER}
