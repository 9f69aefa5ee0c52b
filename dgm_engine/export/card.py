"""The model card, and the lines of code that use an export."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from dgm_engine import __version__
from dgm_engine.config import TrainingConfig
from dgm_engine.data.arrays import BYTE_RANGE
from dgm_engine.export.folder import CONFIG_FILE, LABELS_FILE, MODEL_FILE, SUMS_FILE, WEIGHTS_FILE, Classifier

_MARKDOWN = re.compile(r"([\\`*_\[\]|~])")

_CARD_TEMPLATE = """# {title}

{summary} Made with DGM Studio (version {version}) on {date}.

## Use

Needs `onnxruntime` and `{package}` only. In this folder:

```python
{usage}
```

`{model}` takes `{input}`, {input_meaning}. It answers with

- `class_probabilities`, float32 (N, {n_classes}): in the order of `classes` in `{labels}`;
- `p_new`, float32 (N,): the probability that an item belongs to none of these classes;
- `component_probabilities`, float32 (N, {n_components}): of the model's clusters, before they are summed to classes.

{caveat}

`{weights}` and `{config}` rebuild the model in PyTorch; `sha256sum -c {sums}` checks the files of this folder.

## Classes

| class | clusters | labelled items |
|---|---|---|
{classes}

{n_unnamed} of the {n_components} clusters have no name; together they are `p_new`.

## How good it is

{accuracies}

## How it was trained

{training}

## Intended use and limits

- Made for items like those it was trained on. Others may get a wrong class with high probability: `p_new` speaks of
  clusters that were found and not named, not of everything that is unlike the training items.
- The probabilities are the model's own and were not calibrated. Check a sample by eye before you rely on a threshold.
- The classes are what people named and labelled in one project; their mistakes and omissions are in it.
- Not meant for decisions about people, their health, safety or rights, unless a person checks each of them.
"""

_CAVEAT = """First lay transparent images over white, and stretch images of more than 8 bits so that their lowest value
is 0 and their highest 255; `dgm predict` does both."""


@dataclass(frozen=True)
class About:
    """What the model card tells beyond the classifier itself.

    Attributes:
        name: name of the project.
        n_items: number of items that it was trained on.
        labelled: number of labelled items by class.
        accuracies: accuracies, 0 to 1, by their descriptions.
        training: how it was trained, where known.
    """

    name: str = ""
    n_items: int = 0
    labelled: Mapping[str, int] = field(default_factory=dict[str, int])
    accuracies: Mapping[str, float] = field(default_factory=dict[str, float])
    training: TrainingConfig | None = None


def usage(shape: tuple[int, ...]) -> str:
    """Python code that classifies one item, run inside an export folder, for items of ``shape`` (H, W, C) or (D,)."""
    lines = ["import json, numpy as np, onnxruntime"]
    if len(shape) == 3:
        height, width, channels = shape
        mode = '.convert("RGB").convert("L")' if channels == 1 else '.convert("RGB")'
        lines += [
            "from PIL import Image, ImageOps",
            "",
            f'image = ImageOps.exif_transpose(Image.open("image.png")){mode}',
            f"x = np.asarray(image.resize(({width}, {height}), Image.Resampling.BILINEAR)).reshape{(1, *shape)}",
        ]
    else:
        lines += ["", f'x = np.load("features.npy").astype(np.float32).reshape(1, {shape[0]})']
    name = "images" if len(shape) == 3 else "features"
    return "\n".join(
        [
            *lines,
            f'known, new, _ = onnxruntime.InferenceSession("{MODEL_FILE}").run(None, {{"{name}": x}})',
            f'answers = [*json.load(open("{LABELS_FILE}", encoding="utf-8"))["classes"], "(none of them)"]',
            "share = np.append(known[0], new[0])",
            'print(answers[share.argmax()], f"{share.max():.4f}")',
        ]
    )


def model_card(classifier: Classifier, about: About) -> str:
    """The card as Markdown; names that people gave cannot break out of it."""
    return _CARD_TEMPLATE.format(
        title=_plain(about.name) or "A classifier",
        summary=_summary(classifier),
        version=__version__,
        date=datetime.now(UTC).date(),
        package="Pillow" if classifier.is_images else "numpy",
        usage=usage(classifier.shape),
        model=MODEL_FILE,
        input=classifier.input_name,
        input_meaning=_input_meaning(classifier),
        caveat=_caveat(classifier),
        n_classes=len(classifier.classes),
        n_components=len(classifier.owner),
        n_unnamed=classifier.owner.count(None),
        labels=LABELS_FILE,
        weights=WEIGHTS_FILE,
        config=CONFIG_FILE,
        sums=SUMS_FILE,
        classes="\n".join(
            f"| {_plain(name)} | {classifier.owner.count(name)} | {about.labelled.get(name, 0)} |"
            for name in classifier.classes
        ),
        accuracies=_accuracies(about),
        training=_training(classifier, about),
    )


def _summary(classifier: Classifier) -> str:
    kind = "images" if classifier.is_images else "feature vectors"
    n = len(classifier.classes)
    return f"Tells {n} {'class' if n == 1 else 'classes'} of {kind} apart, and says what belongs to none of them."


def _input_meaning(classifier: Classifier) -> str:
    if not classifier.is_images:
        return f"float32 (N, {classifier.shape[0]}), as they were in training: it standardises them itself"
    height, width, channels = classifier.shape
    colour = "grey" if channels == 1 else "RGB"
    return f"uint8 (N, {height}, {width}, {channels}): {colour} images from 0 (black) to 255, the top row first"


def _caveat(classifier: Classifier) -> str:
    if not classifier.is_images:
        return "Values that are not finite have no meaning to it."
    if classifier.value_range in (None, BYTE_RANGE):
        return _CAVEAT
    low, high = classifier.value_range or BYTE_RANGE
    scaled = f"np.rint((x - {low:g}) * (255 / {high - low:g})).clip(0, 255).astype(np.uint8)"
    return f"It was trained on arrays in which {low:g} is black and {high:g} white: give it `{scaled}`.\n{_CAVEAT}"


def _accuracies(about: About) -> str:
    if not about.accuracies:
        return "Not known: no ground truth, and no labels that it had not seen in training."
    return "\n".join(f"- {_plain(what)}: {share:.1%}" for what, share in about.accuracies.items())


def _training(classifier: Classifier, about: About) -> str:
    shape = classifier.model
    sentences = [
        f"A deep generative model, `{shape.name}` ({shape.name.generative}), with {shape.n_components} components, "
        f"{shape.n_latent} latent dimensions and {shape.n_layers} layers of {shape.n_hidden} units,",
        f"trained on {about.n_items} items, of which {sum(about.labelled.values())} were labelled.",
        "It clusters all of them; people named clusters and labelled items, and a class's probability is the sum over "
        "the clusters that it owns.",
    ]
    if about.training is not None:
        sentences.append(f"Settings: preset {about.training.preset}, seed {about.training.seed}.")
    return "\n".join(sentences)


def _plain(text: str) -> str:
    """Text that Markdown and HTML show unchanged, on one line."""
    return _MARKDOWN.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))
