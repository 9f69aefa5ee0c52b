"""The live map: a sample of the pool as the model sees it while it trains."""

import time

import numpy as np
from numpy.typing import NDArray

from dgm_engine.discovery.projections import Method, project, refine
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.npy import load_array
from dgm_engine.training.fitting import predict
from dgm_engine.training.ownership import Owner, class_probabilities
from dgm_engine.training.results import LiveMap, load_live_map, save_live_map
from dgm_engine.training.setting import Setting

LIVE_SAMPLE = 1_000
"""Items on the live map."""
LIVE_SHARE = 0.2
"""The live map takes at most this share of the time."""


class LiveView:
    """A sample of the pool whose positions follow the model while it trains."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._rows = setting.table.sample(LIVE_SAMPLE, np.random.default_rng(0))
        self._xy = self._earlier_positions()
        self._next = 0.0
        self._used = 0

    def update(self, model: DeepGenerativeModel, owner: Owner, epoch: int, seconds: float) -> int:
        """Takes a new view if one is due; returns the number of components in use in the newest view."""
        if seconds < self._next:
            return self._used
        began = time.monotonic()
        q_y, z = predict(model, self._setting.table, self._rows)
        component = q_y.argmax(1).astype(np.int32)
        self._used = len(np.unique(component))
        before = self._xy if self._xy is not None else project(z, Method.PCA)
        self._xy = refine(z, before, Method.TSNE)
        class_name = class_probabilities(q_y, owner).predicted()
        save_live_map(self._setting.run, LiveMap(self._rows, self._xy, component, class_name, epoch))
        self._next = seconds + max(2.0, (time.monotonic() - began) / LIVE_SHARE)
        return self._used

    def _earlier_positions(self) -> NDArray[np.floating] | None:
        """The positions of the rows on this run's live map, or else on the newest map of any run."""
        live, project, pool = load_live_map(self._setting.run), self._setting.project, self._setting.pool
        if live is not None and np.array_equal(live.rows, self._rows):
            return live.xy
        runs = (project.run(number) for number in reversed(project.run_numbers()))
        laid_out = (path for run in runs for method in Method if (path := run.layout(method).positions).exists())
        xy = next((load_array(path) for path in laid_out), None)
        if xy is None or len(xy) != len(pool.shown):
            return None
        return np.asarray(xy[np.searchsorted(pool.shown, self._rows)])
