"""Charts of the distances between clusters, Fig. C.6: all pairs at once, and one pair unit by unit."""

from typing import TYPE_CHECKING

import numpy as np

from dgm_engine.services.charts import MAX_UNITS, UNIT_HOVER, escaped, margin
from dgm_engine.services.figures import Divergence, Titled
from dgm_engine.services.palette import cluster_colour

if TYPE_CHECKING:
    import plotly.graph_objects as go


def divergence(found: Divergence) -> "go.Figure":
    """Fig. C.6 in one: the KL between every ordered pair of components, summed over units."""
    import plotly.graph_objects as go

    figure = go.Figure(_divergence_trace(found, 0))
    n = len(found.alike)
    figure.update_xaxes(type="category", title="from images of cluster …", tickangle=-90 if n > 12 else 0)
    figure.update_yaxes(type="category", title="images of cluster …", autorange="reversed")
    _every_tick(figure)
    return figure.update_layout(template="plotly_white", height=max(400, 146 + 17 * n), margin=margin(34))


def pair(found: Divergence, first: int, second: int, n_units: int = MAX_UNITS) -> "go.Figure":
    """One panel of Fig. C.6: KL[p(z_i | first) || p(z_i | second)] unit by unit, in the order of Fig. C.5."""
    import plotly.graph_objects as go

    figure = go.Figure(_pair_trace(found, first, second, n_units))
    figure.update_xaxes(title="unit of z, most active first", nticks=6)
    figure.update_yaxes(title="KL in nats", rangemode="tozero")
    return figure.update_layout(template="plotly_white", height=320, margin=margin(34))


def divergence_with_pair(found: Divergence, n_units: int = MAX_UNITS) -> "go.Figure":
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
        template="plotly_white", height=max(460, 120 + 20 * len(found.alike)), margin=margin(62)
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
        hovertemplate=UNIT_HOVER,
        showlegend=False,
    )


def _pair_title(titled: Titled, first: int, second: int) -> str:
    return f"<b>{escaped(titled.clusters[first], 16)}</b> from <b>{escaped(titled.clusters[second], 16)}</b>"
