"""What the figures are called, and what they say in plain words."""

from dataclasses import dataclass
from enum import StrEnum

from dgm_engine.services.figures import MIN_ACTIVE_KL


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


FIGURE_TEXTS = {
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


def active_words(n_active: int, n_units: int) -> str:
    """How many units are active, and what that means."""
    return f"{n_active} of {n_units} numbers (units of z) are in use: on average, each says over {MIN_ACTIVE_KL} nats."


def shared_words(model: str) -> str:
    """Why there is nothing to draw for a model whose p(z | y) does not depend on y."""
    return (
        f"in {model}, all clusters share one p(z) = N(0, I), so that every pair is at distance 0: what tells clusters "
        "apart is in y alone"
    )
