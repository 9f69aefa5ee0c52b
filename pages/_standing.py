"""How far the work has come, in a line."""

import streamlit as st

from dgm_engine.discovery.metrics import Proportion
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.standing import Standing, standing
from pages import _safely
from pages._text import count


def line(seen: Snapshot) -> None:
    """Draws what is labelled and named, what share of the images has a class, and the accuracy in the newest audit."""
    with _safely.errors_shown():  # a damaged audit
        st.caption(" · ".join(_parts(standing(seen))), width="content")


def _parts(now: Standing) -> list[str]:
    parts = [f"{now.labelled:,} labelled", f"{now.named_clusters} of {count(now.clusters, 'cluster')} have a class"]
    if now.sure_share is not None:
        parts.append(f"{now.named_share:.0%} of the images get a class, {now.sure_share:.0%} of these surely")
    if now.accuracy is not None and now.accuracy.n:
        of = "" if now.audited is None else f" of run {now.audited}"
        parts.append(f"accuracy{of} {estimate(now.accuracy)}")
    if now.doubted_names:
        clusters = "cluster" if now.doubted_names == 1 else "clusters"
        # Not in colour: a caption is translucent, and a colour in it too pale to read.
        parts.append(f":material/contrast: answers speak against the name of {now.doubted_names} {clusters}")
    return parts


def estimate(found: Proportion) -> str:
    """A share with its interval: ``95% (84% to 99%, by 40 images)``."""
    return f"{found.share:.0%} ({found.low:.0%} to {found.high:.0%}, by {count(found.n, 'image')})"
