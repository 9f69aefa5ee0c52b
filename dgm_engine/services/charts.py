"""The paper's figures as Plotly charts: arrays in, charts out. The pages and the command line draw with these alike."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgm_engine.discovery.metrics import Confusion
from dgm_engine.services.evaluating import Evaluation
from dgm_engine.services.figures import Activity, LatentMap, Titled
from dgm_engine.services.palette import class_colour, cluster_colour

if TYPE_CHECKING:
    import plotly.graph_objects as go

MAX_UNITS = 20
"""Units of z that a chart draws by default, as many as in the paper."""

MAX_PANELS = 30
"""Components that Fig. C.5 draws at most, the largest first."""

MIN_CURVE_SHARE = 0.05
"""A class gets a line of its own in a component's panel if it has this share of the component's items, and, unless it
has most of them, more than one item: the mean of a few strays is mostly noise."""

UNIT_HOVER = "unit %{customdata}: %{y:.3f} nats<extra></extra>"
"""The text of a chart for the unit under the pointer."""

_PANELS_PER_ROW = 5
_MAX_VECTOR_POINTS = 3_000
"""Maps with more points than this are drawn by WebGL instead of as vectors, which stay sharp in an SVG."""

_MAX_NAMES_WITH_COUNTS = 24
"""A confusion matrix with more columns than this shows no numbers."""


def latent_map(found: LatentMap) -> "go.Figure":
    """Fig. 3: two maps side by side, by class and by cluster, that zoom together."""
    from plotly.subplots import make_subplots

    titled = found.titled
    figure = make_subplots(
        1,
        2,
        subplot_titles=(f"by {titled.by}", "by cluster"),
        horizontal_spacing=0.02,
        **_LINKED_AXES,
    )
    for g, name in enumerate(titled.groups):
        figure.add_trace(_points(found, found.group == g, name or "no class yet", _group_colour(titled, g)), 1, 1)
    for k in np.unique(found.component).tolist():
        member = found.component == k
        trace = _points(found, member, f"cluster {titled.clusters[k]}", cluster_colour(k))
        figure.add_trace(trace.update(showlegend=False), 1, 2)
        x, y = _centre(found.xy[member])
        figure.add_annotation(x=x, y=y, text=f"<b>{k}</b>", row=1, col=2, **_TAG_STYLE)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure.update_layout(
        template="plotly_white",
        height=470,
        margin=margin(56),
        dragmode="pan",
        legend={"orientation": "h", "y": -0.01, "yanchor": "top", "x": 0, "itemsizing": "constant"},
    )


def confusion(found: Confusion) -> "go.Figure":
    """One confusion matrix, with the columns worth drawing."""
    import plotly.graph_objects as go

    counts, names = _columns(found)
    figure = go.Figure(_matrix(found.truth, names, counts))
    figure.update_layout(
        height=max(320, 60 + 30 * len(found.truth)),
        margin=margin(8),
        xaxis={"title": "taken for", "type": "category", "side": "bottom"},
        yaxis={"title": "true class", "type": "category", "autorange": "reversed"},
    )
    return figure


def confusions(scores: tuple[Evaluation, ...], titles: tuple[str, ...]) -> "go.Figure":
    """Fig. 4: the square confusion matrices of runs of one source, side by side, with All, Old and New above each."""
    from plotly.subplots import make_subplots

    heads = [f"<b>{escaped(title, 60)}</b><br>{_accuracies(one)}" for title, one in zip(titles, scores, strict=True)]
    figure = make_subplots(1, len(scores), subplot_titles=heads, horizontal_spacing=0.03, shared_yaxes=True)
    n_rows = 0
    for column, one in enumerate(scores, start=1):
        if one.best_naming is not None:
            found = one.best_naming
            figure.add_trace(_matrix(found.truth, list(found.predicted), found.counts), 1, column)
            n_rows = len(found.truth)
    figure.update_xaxes(type="category", title="taken for")
    figure.update_yaxes(type="category", autorange="reversed")
    figure.update_yaxes(title="true class", col=1)
    figure.update_annotations(font={"size": 13}, align="center")
    return figure.update_layout(template="plotly_white", height=max(380, 150 + 30 * n_rows), margin=margin(84))


def activity(found: Activity, n_units: int = MAX_UNITS) -> "go.Figure":
    """Fig. C.5: a panel for each component, a line for each class in it, the `n_units` most active units from left."""
    from plotly.subplots import make_subplots

    shown, units = panels(found), found.order[:n_units]
    n_lines, n_used = -(-len(shown) // _PANELS_PER_ROW), int((found.count.sum(1) > 0).sum())
    figure = make_subplots(
        n_lines,
        min(_PANELS_PER_ROW, len(shown)),
        y_title=f"the {len(shown)} largest of {n_used} clusters" if n_used > len(shown) else None,
        subplot_titles=[f"{escaped(found.titled.clusters[k], 18)} ({found.count[k].sum():,})" for k in shown],
        **_LINKED_AXES,
        horizontal_spacing=0.015,
        vertical_spacing=0.3 / n_lines,
    )
    for g in range(len(found.titled.groups)):
        figure.add_trace(
            _line(found, g, [-1], [np.nan]).update(showlegend=True), 1, 1
        )  # for the legend, even if no panel has the group
    for position, k in enumerate(shown):
        row, column = divmod(position, _PANELS_PER_ROW)
        share = found.count[k] / found.count[k].sum()
        for g in np.flatnonzero((share >= MIN_CURVE_SHARE) & ((found.count[k] > 1) | (share > 0.5))).tolist():
            trace = _line(found, g, units, found.kl[k, g, units])
            trace.update(opacity=0.35 + 0.65 * share[g], line_width=2.2 if share[g] > 0.5 else 1.2)
            figure.add_trace(trace, row + 1, column + 1)
    figure.update_annotations(font={"size": 11})
    figure.update_xaxes(showticklabels=False, zeroline=False)
    figure.update_xaxes(showticklabels=True, nticks=4, row=n_lines)
    figure.update_yaxes(nticks=4, rangemode="tozero")
    return figure.update_layout(
        template="plotly_white",
        height=122 + 112 * n_lines,
        margin=margin(58),
        legend={"orientation": "h", "y": -0.35 / n_lines, "yanchor": "top", "x": 0},
    )


def panels(found: Activity) -> list[int]:
    """The components that `activity` draws: those with items, the largest `MAX_PANELS` of them, the largest first."""
    sizes = found.count.sum(1)
    return [k for k in np.argsort(-sizes, kind="stable").tolist() if sizes[k]][:MAX_PANELS]


def download_config(file: str, form: str) -> dict[str, Any]:
    """Plotly's settings of a chart whose camera button saves it: as `form` ("png" or "svg"), in a file of that name."""
    return {
        "displaylogo": False,
        "displayModeBar": True,
        "scrollZoom": True,
        # The last one offers to upload the chart; people's data stay with them.
        "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d", "sendChartToCloud"],
        "toImageButtonOptions": {"format": form, "filename": file, "scale": 3},
    }


def escaped(text: str, limit: int = 20) -> str:
    """A name for a chart, whose texts are read as HTML; cut if it is longer than `limit`."""
    short = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def margin(top: int) -> dict[str, int]:
    """The margin around a chart; Plotly's buttons take the first 30 pixels from the top."""
    return {"l": 0, "r": 0, "t": top, "b": 0}


_LINKED_AXES: dict[str, Any] = {"shared_xaxes": "all", "shared_yaxes": "all"}
_TAG_STYLE: dict[str, Any] = {
    "showarrow": False,
    "font": {"size": 11, "color": "#10181d"},
    "bgcolor": "rgba(255,255,255,0.8)",
    "borderpad": 1,
}


def _line(found: Activity, g: int, units: ArrayLike, kl: ArrayLike) -> "go.Scatter":
    """A class's line in a panel of Fig. C.5."""
    import plotly.graph_objects as go

    name = escaped(found.titled.groups[g] or "no class yet", 24)
    return go.Scatter(
        x=np.arange(1, np.size(units) + 1),
        y=kl,
        customdata=units,
        mode="lines",
        name=name,
        legendgroup=g,
        showlegend=False,
        line={"color": _group_colour(found.titled, g), "width": 2.2},
        hovertemplate=f"{name}<br>{UNIT_HOVER}",
    )


def _points(found: LatentMap, member: NDArray[np.bool_], name: str, colour: str) -> Any:  # noqa: ANN401 - of two classes
    import plotly.graph_objects as go

    n = len(found.xy)
    group = np.array([escaped(name or "no class yet") for name in found.titled.groups])[found.group[member]]
    cluster = np.array([escaped(title) for title in found.titled.clusters])[found.component[member]]
    return (go.Scatter if n <= _MAX_VECTOR_POINTS else go.Scattergl)(
        x=found.xy[member, 0],
        y=found.xy[member, 1],
        mode="markers",
        name=escaped(name),
        marker={"size": 6 if n <= 1_000 else 4 if n <= 4_000 else 3, "color": colour, "opacity": 0.8},
        customdata=np.column_stack([found.items[member], group, cluster]),
        hovertemplate=f"%{{customdata[0]}}<br>{found.titled.by} %{{customdata[1]}}<br>cluster %{{customdata[2]}}"
        "<extra></extra>",
    )


def _centre(xy: NDArray[np.float32]) -> tuple[float, float]:
    """The point nearest the median."""
    x, y = xy[np.argmin(np.linalg.norm(xy - np.median(xy, axis=0), axis=1))].tolist()
    return x, y


def _group_colour(titled: Titled, g: int) -> str:
    return class_colour(titled.groups[g], titled.colours)


def _matrix(truth: tuple[str, ...], names: list[str], counts: NDArray[np.integer]) -> "go.Heatmap":
    import plotly.graph_objects as go

    written = len(names) <= _MAX_NAMES_WITH_COUNTS
    return go.Heatmap(
        z=counts / counts.sum(axis=1, keepdims=True).clip(min=1),
        x=[escaped(name) for name in names],
        y=[escaped(name) for name in truth],
        text=[[f"{n}" if n else "" for n in row] for row in counts.tolist()] if written else None,
        texttemplate="%{text}" if written else None,
        customdata=counts,
        hovertemplate="true %{y}<br>taken for %{x}<br>%{customdata} images, %{z:.0%}<extra></extra>",
        colorscale="Blues",
        zmin=0,
        zmax=1,
        showscale=False,
        xgap=1,
        ygap=1,
    )


def _columns(found: Confusion) -> tuple[NDArray[np.integer], list[str]]:
    """The columns worth drawing: classes in the order of the rows, then clusters by the class they hold most of."""
    truth = list(found.truth)
    filled = np.flatnonzero(found.counts.sum(axis=0))
    main = found.counts.argmax(axis=0)
    named = [j for j in filled if found.predicted[j] in truth]
    others = sorted((j for j in filled if found.predicted[j] not in truth), key=lambda j: main[j])
    order = [*named, *others]
    return found.counts[:, order], [found.predicted[j] or "no class" for j in order]


def _accuracies(one: Evaluation) -> str:
    shares = (
        ("on the diagonal", one.best_naming and one.best_naming.right),
        ("All", one.all),
        ("Old", one.old),
        ("New", one.new),
    )
    return " · ".join(f"{name} {'-' if share is None else f'{share:.1%}'}" for name, share in shares)
