"""What holds after random judgements, against a reference that works it out from scratch."""

import random
from dataclasses import dataclass, field

import pytest

from dgm_engine.labels.schema import Anchored, Edit, Kind
from dgm_engine.labels.state import component_mass
from dgm_engine.labels.store import LabelStore

ANN = "ann"


@dataclass
class Reference:
    """Keeps every call and works out what holds from scratch, by the rules in words."""

    done: list = field(default_factory=list)
    undone: list = field(default_factory=list)

    def do(self, operation, *arguments):
        self.done.append((operation, *arguments))
        self.undone = []

    def undo(self):
        if self.done:
            self.undone.append(self.done.pop())

    def redo(self):
        if self.undone:
            self.done.append(self.undone.pop())

    def state(self, lineage):
        positive, rejected, none, skipped, seen = {}, {}, set(), set(), []
        confirmed = set()
        for operation, *arguments in self.done:
            if operation in CLASS_AT:  # for `clusters`
                seen.append(arguments[CLASS_AT[operation]])
                continue
            if operation == "use_run":
                continue
            items, *name = arguments
            for item in items:
                if operation == "skip":
                    skipped.add(item)
                    continue
                skipped.discard(item)
                if operation == "label":
                    (confirmed.add if positive.get(item) == name[0] else confirmed.discard)(item)
                    positive[item] = name[0]
                    rejected.setdefault(item, set()).discard(name[0])
                    none.discard(item)
                    seen.append(name[0])
                elif operation == "reject":
                    rejected.setdefault(item, set()).add(name[0])
                    if positive.get(item) == name[0]:
                        del positive[item]
                elif operation == "none_of_named":
                    none.add(item)
                    positive.pop(item, None)
                else:
                    positive.pop(item, None)
                    rejected.pop(item, None)
                    none.discard(item)
        names, anchors, anchored, edits, ignored = self.clusters()
        by_number = {name for key, name in names.items() if key not in anchored}
        used = {*positive.values(), *by_number, *(name for name, _ in anchors.values())}
        uses = [tuple(arguments) for operation, *arguments in self.done if operation == "use_run"]
        return {
            "positive": positive,
            "rejected": {item: frozenset(classes) for item, classes in rejected.items() if classes},
            "none_of_named": none,
            "skipped": skipped,
            "confirmed": confirmed & positive.keys(),
            "names": {component: name for (run, component), name in names.items() if run == lineage},
            "anchors": anchors,
            "anchored": {component for run, component in anchored if run == lineage},
            "use": uses[-1] if uses else None,
            "edits": [tuple(edit) for run, *edit in edits if run == lineage],
            "ignored": {component for run, component in ignored if run == lineage},
            "classes": tuple(name for name in dict.fromkeys(seen) if name is not None and name in used),
        }

    def clusters(self):
        """What was done with clusters of any lineage: names, names of images, whose names are, edits, the ignored."""
        names, anchors, anchored, edits, ignored = {}, {}, set(), [], set()
        for operation, *arguments in self.done:
            if operation == "name_component":
                run, component, name, images = arguments
                names[run, component] = name
                (anchored.add if images else anchored.discard)((run, component))
                anchors |= {item: (name or "", sure) for item, sure in images}
            elif operation == "edit_component":
                do_edit(edits, ignored, names, anchors, anchored, *arguments)
        return names, anchors, anchored, edits, ignored


CLASS_AT = {"name_component": 2, "edit_component": 4}
"""Where the class stands among the arguments."""


def do_edit(edits, ignored, names, anchors, anchored, kind, run, component, other, name, images):
    """What one thing done with a cluster changes, in words: see `Reference`."""
    if kind in (Kind.IGNORE, Kind.UNIGNORE):
        (ignored.add if kind == Kind.IGNORE else ignored.discard)((run, component))
        return
    edits.append((run, kind, component, other))
    anew = other if kind == Kind.SPLIT else component  # it holds no images any more, or others
    names.pop((run, anew), None)
    ignored.discard((run, anew))
    anchored.discard((run, anew))
    if name is not None:
        names[run, other] = name
        (anchored.add if images else anchored.discard)((run, other))
    for item, sure in images:  # they have the name that the edit leaves, or none any more
        anchors.pop(item, None)
        if name is not None:
            anchors[item] = name, sure


def test_a_component_stands_for_what_was_merged_into_it_and_halves_share():
    merge, split = Edit(1, Kind.MERGE, 1, 0), Edit(2, Kind.SPLIT, 0, 1)
    assert component_mass((), 3) == (1, 1, 1)
    assert component_mass((merge,), 3) == (2, 0, 1)
    assert component_mass((merge, split), 3) == (1, 1, 1)
    assert component_mass((merge, Edit(2, Kind.MERGE, 0, 2)), 3) == (0, 0, 3)
    assert component_mass((Edit(1, Kind.DISSOLVE, 1, None),), 3) == (1, 0, 1)
    assert component_mass((Edit(1, Kind.DISSOLVE, 1, None), split), 3) == (0.5, 0.5, 1)


def as_dict(state):
    fields = ("positive", "rejected", "none_of_named", "skipped", "confirmed", "names", "ignored", "classes", "use")
    edits = [(edit.kind, edit.component, edit.other) for edit in state.edits]
    anchors = {item: (anchor.class_name, anchor.sure) for item, anchor in state.anchors.items()}
    shown = {name: getattr(state, name) for name in (*fields, "anchored")}
    return {**shown, "edits": edits, "anchors": anchors}


def random_call(rng, items, classes):
    """A judgement of the store's interface and its arguments."""
    said = ["label", "label", "reject", "none_of_named", "clear", "skip", "name_component", "name_component", "edit"]
    operation = rng.choice([*said, "use_run"])
    if operation == "use_run":
        return operation, rng.randint(1, 3), rng.randint(1, 3)
    some = rng.sample(items, rng.randint(1, 4))
    images = [Anchored(item, rng.choice([0.25, 0.5, 1.0])) for item in some] if rng.random() < 0.7 else []
    if operation == "name_component":
        return operation, rng.randint(1, 2), rng.randrange(3), rng.choice([*classes, None]), images
    if operation == "edit":
        kind = rng.choice([Kind.SPLIT, Kind.MERGE, Kind.DISSOLVE, Kind.IGNORE, Kind.UNIGNORE])
        other = rng.randrange(3) if kind in (Kind.SPLIT, Kind.MERGE) else None
        name = rng.choice([*classes, None]) if kind == Kind.MERGE else None
        images = [] if kind in (Kind.IGNORE, Kind.UNIGNORE) else images
        return "edit_component", kind, rng.randint(1, 2), rng.randrange(3), other, name, images
    return (operation, some, rng.choice(classes)) if operation in ("label", "reject") else (operation, some)


def run_against_reference(store, seed, steps=50):
    """Random judgements, undos and redos; compares after each with the reference. Returns all (version, state)."""
    rng, reference, seen = random.Random(seed), Reference(), []
    for _ in range(steps):
        move = rng.random()
        if move < 0.25:
            reference.undo()
            store.undo(annotator=ANN)
        elif move < 0.4:
            reference.redo()
            store.redo(annotator=ANN)
        else:
            operation, *arguments = random_call(rng, [f"i{n}" for n in range(6)], ["a", "b", "c", "d"])
            reference.do(operation, *arguments)
            getattr(store, operation)(*arguments, annotator=ANN)
        for lineage in (None, 1, 2):
            assert as_dict(store.state(lineage)) == reference.state(lineage)
        seen.append((store.version(), reference.state(1)))
    return seen


@pytest.mark.parametrize("seed", range(6))
def test_state_equals_the_reference_after_every_step(store, path, seed):
    seen = run_against_reference(store, seed)

    other = LabelStore(path)
    for lineage in (None, 1, 2):
        assert other.state(lineage) == store.state(lineage)
    for version, expected in seen[::7]:
        assert as_dict(other.state_at(version, 1)) == expected
    versions = [version for version, _ in reversed(seen[::5])]
    assert [as_dict(state) for state in other.states_at(versions, 1)] == [expected for _, expected in seen[::5]]
    other.close()
