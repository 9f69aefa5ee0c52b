"""Brings labels, names and edits of clusters into a run while it trains."""

import sys
from dataclasses import replace

import numpy as np

from dgm_engine.config import TrainingConfig
from dgm_engine.discovery.edits import difference
from dgm_engine.labels.schema import Edit
from dgm_engine.labels.state import LabelState
from dgm_engine.training.checkpoint import Cause
from dgm_engine.training.fitting import Assessment, assess, predict
from dgm_engine.training.knowledge import Knowledge
from dgm_engine.training.naming import NONE_OVERRULED, Overruled, claims, spoken_of
from dgm_engine.training.origin import Origin
from dgm_engine.training.ownership import Owner, carried_over, redefined, unowned
from dgm_engine.training.reporter import Reporter
from dgm_engine.training.results import load_contents, load_results, save_contents
from dgm_engine.training.run_results import has_results, is_damaged, latest_results
from dgm_engine.training.scene import Scene
from dgm_engine.training.setting import Setting
from dgm_engine.training.settling import make_components, settle, taken_by_names
from dgm_engine.training.splits import kept_apart
from dgm_engine.training.takeover import take_over

STEPS_PER_ASSESSMENT = 200
"""Owners are assessed again after this many steps, and when somebody said something. The unit is steps, not seconds, so
that a run gives the same model on a loaded machine."""


class Supervision:
    """What people said, as far as a run uses it.

    Args:
        setting: what the run works on, with the features of the images.
        config: the training configuration.
        origin: where the run begins; this class changes its state if people changed clusters.
        reporter: shows work that takes long.

    Attributes:
        given: (K,) the owners that training gave to components, from an earlier lineage or from labelled examples. They
            leave out the names that people gave, so that a name that is taken back has no effect.
        owner: (K,) the owners, names included.
        named: images that still have the name of their cluster.
        edits: the edits that the model contains.
        overruled: by component, the names that labels overruled.
        made: the causes for which this schedule made components.
        labels_version: the version of the labels in use.
    """

    def __init__(self, setting: Setting, config: TrainingConfig, origin: Origin, reporter: Reporter) -> None:
        self.setting, self.config, self.reporter = setting, config, reporter
        self.state, self.given, self.edits = origin.state, origin.given, origin.edits
        self.overruled: dict[int, Overruled] = {**origin.overruled}
        self.owner: Owner = self.given
        self.named: frozenset[str] = frozenset()
        self.made = origin.made
        self.labels_version = -1
        self._known: Knowledge | None = None  # no labels were read yet
        self._assess_again = 0  # the step at which owners are assessed again
        self._settled = -1  # `LabelState.known` when names and labels were last compared
        # As long as the components are random, it means nothing which of them holds most of a name's images.
        self._random = setting.config.parent is None and not config.clustering_start and not has_results(setting.run)

    def knowledge(self) -> Knowledge:
        """The knowledge to train with, assessed again after new labels and every `STEPS_PER_ASSESSMENT` steps."""
        known = self._known
        if (
            known is None
            or self.setting.labels.version() != self.labels_version
            or self.state.step >= self._assess_again
        ):
            return self.assess()
        return known

    def assess(self) -> Knowledge:
        """Gives components to classes and allowed sets to items, after the newest labels, names and edits."""
        said = self._said()
        labels = said.within(len(self.given))
        self.labels_version = labels.version
        if labels.edits != self.edits:
            self._take_over(labels.edits)
        assessed = self._assessed(labels)
        if self.config.clustering_start:
            if self._give_back(labels, assessed):
                assessed = self._assessed(labels)
            if self._settle(labels, assessed, said.edits):
                assessed = self._assessed(labels)
        self.given, self.owner, self.named = assessed.given, assessed.owner, assessed.named
        contents = load_contents(self.setting.run, self.setting.config.lineage, self.edits)
        halves = kept_apart(self.edits, contents, self.setting.table.rows, len(self.given))
        self._assess_again = self.state.step + STEPS_PER_ASSESSMENT
        self._known = assessed.known.pinning(*halves)
        return self._known

    def assess_last(self) -> None:
        """Assesses the owners once more at the end; `labels_version` stays, as no step used newer labels."""
        trained_with = self.labels_version
        self.assess()
        self.labels_version = trained_with

    def begin_names(self) -> None:
        """Uses names from now on, because the components, random so far, have become clusters."""
        self._random = False
        self.carry_over()

    def carry_over(self) -> None:
        """Gives new components the classes that an earlier lineage predicts for most of their images.

        Names that belong to images hold in all lineages (`LabelState.anchors`) until somebody takes them back. So
        components that such images name are given no other class.
        """
        project, own = self.setting.project, self.setting.run.number
        before = latest_results(project, self.setting.label_state().use)
        if before is None:  # if all are damaged, a start from scratch is the remedy
            damaged = [n for n in project.run_numbers() if n < own and is_damaged(project.run(n))]
            if damaged:
                sys.stderr.write(f"No names are carried over: the results of run {damaged[-1]} are damaged\n")
            return
        if before.number == own:
            return
        earlier = load_results(before)
        labels, pool = self.setting.labels.state(earlier.config.lineage), self.setting.pool
        q_y = earlier.edited(labels.edits)[0]
        owner = earlier.owners(labels, q_y, pool.rows)
        component = predict(self.state.model, self.setting.table, pool.shown)[0].argmax(1)
        carried = carried_over(q_y[pool.shown], owner, component, len(self.given))
        named = predict(self.state.model, self.setting.table, pool.rows(list(labels.anchors)))[0].argmax(1)
        sizes = np.bincount(component, minlength=len(carried))
        claimed = claims(named, list(labels.anchors.values()), NONE_OVERRULED, sizes)
        self.given = tuple(name if said is None else None for name, said in zip(carried, claimed, strict=True))

    def _said(self) -> LabelState:
        """What people have said by now, without names while the components are random."""
        said = self.setting.label_state()
        return replace(said, anchors={}) if self._random else said

    def _assessed(self, labels: LabelState) -> Assessment:
        table, rows = self.setting.table, self.setting.pool.rows
        strays = not self.config.clustering_start  # as in the paper, which makes no components
        return assess(
            self.state.model,
            table,
            labels,
            rows,
            self.given,
            self.config,
            self.overruled,
            self.state.neighbours,
            seen=self.setting.config.parent is not None,
            strays=strays,
        )

    def _settle(self, labels: LabelState, assessed: Assessment, edits: tuple[Edit, ...]) -> bool:
        """Lets labels overrule names and makes components for classes without one; returns whether anything changed."""
        given_one = (name for source, name in self.made if source is None)
        waiting = {*spoken_of(labels, assessed.named)}.difference(assessed.owner, given_one)
        if not waiting and labels.known == self._settled:
            return False
        self._settled = labels.known
        found = settle(scene := self._scene(labels, assessed))
        self.overruled |= found.overruled
        made: set[Cause] = set()
        if new := [one for one in found.new if one.cause not in self.made]:
            whom = new[0].class_name if len(new) == 1 else f"{len(new)} classes"
            self.reporter.phase(f"Making room for {whom}".rstrip(), self.reporter.progress)
            numbers = make_components(scene, new, edits, self.overruled)
            made = {one.cause for one, number in zip(new, numbers, strict=True) if number is not None}
        self.made |= made
        self.given += (None,) * (self.state.model.config.n_components - len(self.given))
        return bool(found.overruled or made)

    def _give_back(self, labels: LabelState, assessed: Assessment) -> bool:
        """Returns components that names took to the classes of their labels; returns whether there were any."""
        pairs = enumerate(zip(assessed.claims, assessed.given, strict=True))
        if not any(name and given not in (None, name) and labels.names.get(k) != name for k, (name, given) in pairs):
            return False
        taken = taken_by_names(self._scene(labels, assessed))
        self.overruled |= taken
        return bool(taken)

    def _scene(self, labels: LabelState, assessed: Assessment) -> Scene:
        return Scene(self.state, self.setting.table, labels, self.setting.pool.rows, assessed, self.config)

    def _take_over(self, edits: tuple[Edit, ...]) -> None:
        """Applies people's edits of clusters to the model."""
        self.reporter.phase("Taking over changes of clusters", self.reporter.progress)
        run, parent = self.setting.run, self.setting.config.parent
        seen = load_results(run if parent is None or has_results(run) else self.setting.project.run(parent))
        q_y, contents = seen.edited(edits)
        take_over(self.state, self.setting.table, self.edits, edits, q_y.argmax(1), self.config)
        save_contents(run, self.setting.config.lineage, contents)
        undone, done = difference(self.edits, edits)
        self.given = unowned(self.given, done)
        other = redefined((*undone, *done))
        self.overruled = {k: said for k, said in self.overruled.items() if k not in other}
        self.edits = edits
