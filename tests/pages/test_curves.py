"""The curves of a run on the screen: one for each term that it recorded."""

from streamlit.testing.v1 import AppTest


def page() -> None:
    import pandas as pd

    from dgm_engine.training.terms import TERMS
    from pages import _curves

    recorded = {term.name: [0.5, 0.6] for term in TERMS}
    _curves.curves(pd.DataFrame({"phase": "train", "seconds": [1.0, 2.0], **recorded}))


def test_every_term_that_is_recorded_is_drawn_by_its_title():
    from dgm_engine.training.terms import TERMS

    app = AppTest.from_function(page).run()
    assert not app.exception
    captions = [caption.value.strip("*") for caption in app.caption]
    assert sorted(captions) == sorted(term.title for term in TERMS)
    assert {"Agreement of neighbours", "Auxiliary"} < {*captions}
