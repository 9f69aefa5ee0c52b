"""The paper's figures as Plotly charts: arrays in, charts out. The pages and the command line draw with these alike."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dgm_engine.discovery.metrics import Confusion
from dgm_engine.services.evaluating import Evaluation
from dgm_engine.services.figures import ACTIVE_KL, Activity, Divergence, LatentMap, Titled
from dgm_engine.services.palette import class_colour, cluster_colour

if TYPE_CHECKING:
    import plotly.graph_objects as go

UNITS = 20
"""Units of z that are drawn unless more are asked for; the paper draws as many."""

PANELS = 30
"""Components that Fig. C.5 draws at most, the largest first."""

STRAYS = 0.05
"""Share of a component's items that a class needs for a line of its own, and more than one item where it is not most of
them: the mean of a few strays is mostly noise."""

_COLUMNS = 5
_VECTOR_POINTS = 3_000
"""Points up to which a map is drawn as vectors, which stay sharp in an SVG; more go through WebGL."""

_COUNTS_SHOWN = 24
"""Columns up to which a confusion matrix has its numbers written into it."""


class Figure(StrEnum):
    """The figures, by the names of their files."""

    LATENT_MAP = "fig3_latent_map"
    CONFUSION = "fig4_confusion"
    ACTIVITY = "figC5_activity"
    DIVERGENCE = "figC6_divergence"


@dataclass(frozen=True)
class About:
    """What a figure is called, what it says in plain words, and what it is in the paper."""

    title: str
    words: str
    paper: str


ABOUT = {
    Figure.LATENT_MAP: About(
        "How images group",
        "Each dot is an image; images that the model finds similar lie close together. The same map twice: coloured by "
        "class on the left, by the cluster that the model chose on the right. Zooming into one zooms the other.",
        "Figure 3 of the paper: t-SNE of the means of q(z|x,y*)",
    ),
    Figure.CONFUSION: About(
        "What is taken for what",
        "Each row is a true class, each column what the run takes its images for: dark squares on the diagonal are "
        "right. Clusters without a name count as the class that is most frequent in them. All, Old and New are "
        "stricter: one named class or one unnamed cluster counts for each class. Old are the classes that people named "
        "or labelled, New the others.",
        "Figure 4 of the paper: confusion matrices of two models",
    ),
    Figure.ACTIVITY: About(
        "What the model notes of an image",
        "The model describes every image by a list of numbers. Each panel is a cluster, each line a class in it: the "
        "higher the line, the more that number says about the images; numbers near zero are not used. Above each panel "
        "stand the cluster and its number of images. A click on a class in the legend hides it.",
        "Figure C.5 of the paper: KL per unit of z, Eq. 36, in nats",
    ),
    Figure.DIVERGENCE: About(
        "How far clusters lie apart",
        "How different the model expects images of one cluster (row) to be from those of another (column): pale "
        "squares are pairs that are hardly told apart. Similar clusters stand side by side.",
        "Figure C.6 of the paper: KL[p(z|row) || p(z|column)], in nats",
    ),
}


def latent_map(found: LatentMap) -> "go.Figure":
    """Fig. 3: two maps side by side, by class and by cluster, that zoom together."""
    from plotly.subplots import make_subplots

    titled = found.titled
    figure = make_subplots(
        1,
        2,
        subplot_titles=(f"by {titled.by}", "by cluster"),
        horizontal_spacing=0.02,
        **_LINKED,
    )
    for g, name in enumerate(titled.groups):
        figure.add_trace(_points(found, found.group == g, name or "no class yet", _group_colour(titled, g)), 1, 1)
    for k in np.unique(found.component).tolist():
        member = found.component == k
        trace = _points(found, member, f"cluster {titled.clusters[k]}", cluster_colour(k))
        figure.add_trace(trace.update(showlegend=False), 1, 2)
        x, y = _centre(found.xy[member])
        figure.add_annotation(x=x, y=y, text=f"<b>{k}</b>", row=1, col=2, **_TAG)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure.update_layout(
        template="plotly_white",
        height=470,
        margin=_margin(56),
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
        margin=_margin(8),
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
    return figure.update_layout(template="plotly_white", height=max(380, 150 + 30 * n_rows), margin=_margin(84))


def activity(found: Activity, n_units: int = UNITS) -> "go.Figure":
    """Fig. C.5: a panel for each component, a line for each class in it, the `n_units` most active units from left."""
    from plotly.subplots import make_subplots

    shown, units = panels(found), found.order[:n_units]
    n_lines, n_used = -(-len(shown) // _COLUMNS), int((found.count.sum(1) > 0).sum())
    figure = make_subplots(
        n_lines,
        min(_COLUMNS, len(shown)),
        y_title=f"the {len(shown)} largest of {n_used} clusters" if n_used > len(shown) else None,
        subplot_titles=[f"{escaped(found.titled.clusters[k], 18)} ({found.count[k].sum():,})" for k in shown],
        **_LINKED,
        horizontal_spacing=0.015,
        vertical_spacing=0.3 / n_lines,
    )
    for g in range(len(found.titled.groups)):
        figure.add_trace(
            _line(found, g, [-1], [np.nan]).update(showlegend=True), 1, 1
        )  # the legend's, whatever the panels hold
    for position, k in enumerate(shown):
        row, column = divmod(position, _COLUMNS)
        share = found.count[k] / found.count[k].sum()
        for g in np.flatnonzero((share >= STRAYS) & ((found.count[k] > 1) | (share > 0.5))).tolist():
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
        margin=_margin(58),
        legend={"orientation": "h", "y": -0.35 / n_lines, "yanchor": "top", "x": 0},
    )


def panels(found: Activity) -> list[int]:
    """The components that `activity` draws: those with items, the largest `PANELS` of them, the largest first."""
    sizes = found.count.sum(1)
    return [k for k in np.argsort(-sizes, kind="stable").tolist() if sizes[k]][:PANELS]


def divergence(found: Divergence) -> "go.Figure":
    """Fig. C.6 in one: the KL between every ordered pair of components, summed over units."""
    import plotly.graph_objects as go

    figure = go.Figure(_divergence_trace(found, 0))
    n = len(found.alike)
    figure.update_xaxes(type="category", title="from images of cluster …", tickangle=-90 if n > 12 else 0)
    figure.update_yaxes(type="category", title="images of cluster …", autorange="reversed")
    _every_tick(figure)
    return figure.update_layout(template="plotly_white", height=max(400, 146 + 17 * n), margin=_margin(34))


def pair(found: Divergence, first: int, second: int, n_units: int = UNITS) -> "go.Figure":
    """One panel of Fig. C.6: KL[p(z_i | first) || p(z_i | second)] unit by unit, in the order of Fig. C.5."""
    import plotly.graph_objects as go

    figure = go.Figure(_pair_trace(found, first, second, n_units))
    figure.update_xaxes(title="unit of z, most active first", nticks=6)
    figure.update_yaxes(title="KL in nats", rangemode="tozero")
    return figure.update_layout(template="plotly_white", height=320, margin=_margin(34))


def divergence_with_pair(found: Divergence, n_units: int = UNITS) -> "go.Figure":
    """Fig. C.6 for a file of its own: `divergence`, and beside it the panel of the pair last clicked on.

    The first trace carries the numbers of every pair as `customdata`, (K, K, n_units); `PAIR_SCRIPT` shows them.
    """
    from plotly.subplots import make_subplots

    first, second = found.alike[:2].tolist()
    figure = make_subplots(1, 2, column_widths=[0.58, 0.42], horizontal_spacing=0.12, subplot_titles=("all units", " "))
    figure.add_trace(_divergence_trace(found, n_units).update(colorbar={"x": 0.54}), 1, 1)
    figure.add_trace(_pair_trace(found, first, second, n_units), 1, 2)
    figure.update_xaxes(type="category", title="from images of cluster …", tickangle=-90, col=1)
    figure.update_yaxes(type="category", title="images of cluster …", autorange="reversed", col=1)
    _every_tick(figure, 1)
    figure.update_xaxes(title="unit of z, most active first", nticks=6, col=2)
    figure.update_yaxes(title="KL in nats", rangemode="tozero", col=2)
    figure.layout.annotations[1].text = _pair_title(found.titled, first, second)  # pyright: ignore[reportAttributeAccessIssue]
    return figure.update_layout(
        template="plotly_white", height=max(460, 120 + 20 * len(found.alike)), margin=_margin(62)
    )


PAIR_SCRIPT = """
const plot = document.getElementById('{plot_id}');
plot.on('plotly_click', event => {
  const point = event.points[0];
  if (point.curveNumber !== 0) return;
  const [row, column] = point.pointNumber;
  const name = '<b>' + point.y + '</b> from <b>' + point.x + '</b>';
  Plotly.update(plot, {y: [plot.data[0].customdata[row][column]]}, {'annotations[1].text': name}, [1]);
});
"""
"""Shows the pair that is clicked on in the chart of `divergence_with_pair`."""


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
    """A name for a chart, whose texts are read as HTML; cut where it is longer than `limit`."""
    short = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _margin(top: int) -> dict[str, int]:
    """Around a chart; Plotly's buttons take the first 30 pixels from the top."""
    return {"l": 0, "r": 0, "t": top, "b": 0}


_LINKED: dict[str, Any] = {"shared_xaxes": "all", "shared_yaxes": "all"}
_UNIT = "unit %{customdata}: %{y:.3f} nats<extra></extra>"
_TAG: dict[str, Any] = {
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
        hovertemplate=f"{name}<br>{_UNIT}",
    )


def _points(found: LatentMap, member: NDArray[np.bool_], name: str, colour: str) -> Any:  # noqa: ANN401 - of two classes
    import plotly.graph_objects as go

    n = len(found.xy)
    group = np.array([escaped(name or "no class yet") for name in found.titled.groups])[found.group[member]]
    cluster = np.array([escaped(title) for title in found.titled.clusters])[found.component[member]]
    return (go.Scatter if n <= _VECTOR_POINTS else go.Scattergl)(
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

    written = len(names) <= _COUNTS_SHOWN
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


def _every_tick(figure: "go.Figure", column: int | None = None) -> None:
    """No cluster without its title."""
    small = {"dtick": 1, "tickfont_size": 10}
    figure.update_xaxes(small, col=column)
    figure.update_yaxes(small, col=column)


def _divergence_trace(found: Divergence, n_units: int) -> "go.Heatmap":
    """The heatmap, its rows and columns in the order `alike`, coloured by log(1 + KL)."""
    import plotly.graph_objects as go

    order = found.alike
    total = found.kl.sum(-1)[np.ix_(order, order)]
    ticks = [0, *(t for t in (0.3, 1, 3, 10, 30, 100, 300, 1000) if t <= total.max())]
    names = [escaped(found.titled.clusters[k], 16) for k in order.tolist()]
    units = np.round(found.kl[np.ix_(order, order, found.order[:n_units])], 5)
    return go.Heatmap(
        z=np.log1p(total),
        x=names,
        y=names,
        text=total,
        customdata=units.tolist() if n_units else None,  # a list: the script reads it
        hovertemplate="%{y} from %{x}<br>%{text:.2f} nats<extra></extra>",
        colorscale="Blues",
        zmin=0,
        colorbar={"title": "KL", "thickness": 10, "tickvals": np.log1p(ticks), "ticktext": [f"{t:g}" for t in ticks]},
        xgap=1,
        ygap=1,
    )


def _pair_trace(found: Divergence, first: int, second: int, n_units: int) -> "go.Bar":
    import plotly.graph_objects as go

    units = found.order[:n_units]
    return go.Bar(
        x=np.arange(1, len(units) + 1),
        y=found.kl[first, second, units],
        customdata=units,
        marker={"color": cluster_colour(0)},
        hovertemplate=_UNIT,
        showlegend=False,
    )


def _pair_title(titled: Titled, first: int, second: int) -> str:
    return f"<b>{escaped(titled.clusters[first], 16)}</b> from <b>{escaped(titled.clusters[second], 16)}</b>"


def active_words(n_active: int, n_units: int) -> str:
    """How many units are active, and what that means."""
    return f"{n_active} of {n_units} numbers (units of z) are in use: on average, each says over {ACTIVE_KL} nats."


def shared_words(model: str) -> str:
    """Why there is nothing to draw for a model whose p(z | y) does not depend on y."""
    return (
        f"in {model}, all clusters share one p(z) = N(0, I), so that every pair is at distance 0: what tells clusters "
        "apart is in y alone"
    )
