"""Which images are suggested."""

import pytest

from dgm_engine.discovery.suggestions import Strategy
from dgm_engine.errors import InputError
from dgm_engine.services import labelling, suggesting
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import take
from tests.fabricated import made_up_components


@pytest.mark.parametrize("strategy", list(Strategy))
def test_suggestions_leave_out_what_was_judged_or_skipped(trained: Project, strategy):
    shown = trained.pool.items[trained.pool.shown].tolist()
    labelling.name_component(trained, 1, "one", "ann")
    labelling.label_items(trained, shown[:700], "low", "ann")
    labelling.skip_items(trained, shown[700:1400], "ann")
    labelling.mark_none_of_named(trained, shown[1400:1410], "ann")
    found = suggesting.suggestions(take(trained), strategy, 3)
    assert len({s.item for s in found}) == 3
    assert {s.item for s in found} <= set(shown[1410:])
    for s in found:
        assert trained.pool.items[s.row] == s.item
        assert s.component == made_up_components(trained)[s.row]
        assert s.reason


def test_no_suggestions_is_not_a_number_to_ask_for(trained: Project):
    with pytest.raises(InputError, match="at least 1"):
        suggesting.suggestions(take(trained), n=0)
