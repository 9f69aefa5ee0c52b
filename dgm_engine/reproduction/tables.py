"""The three tables of the paper, and the peers that we run beside them."""

from dataclasses import dataclass
from enum import StrEnum

from dgm_engine.config import ModelConfig, ModelName
from dgm_engine.errors import InputError

N_CLASSES = 10
"""N_gt, the number of true classes, of both data sets."""
MODELS, PEERS = "models", "peers"
"""Names that select all rows of a kind."""


class TableName(StrEnum):
    """The name of a table of the paper."""

    TABLE_1 = "table1"
    TABLE_2 = "table2"
    TABLE_3 = "table3"


class PeerName(StrEnum):
    """A method that our models are compared with."""

    K_MEANS = "k-means"
    UMAP_GMM = "umap-gmm"
    VADE = "vade"
    DEC = "dec"
    LABEL_SPREADING = "label-spreading"
    SELF_TRAINING = "self-training"


CLASSIFIERS = frozenset({PeerName.LABEL_SPREADING, PeerName.SELF_TRAINING})
"""The peers that learn from labels and predict only labelled classes. The other peers cluster and see no labels."""
PEER_TITLES = {
    PeerName.K_MEANS: "k-means",
    PeerName.UMAP_GMM: "UMAP + Gaussian mixture",
    PeerName.VADE: "VaDE (clustpy)",
    PeerName.DEC: "DEC (clustpy)",
    PeerName.LABEL_SPREADING: "label spreading",
    PeerName.SELF_TRAINING: "self-training",
}


@dataclass(frozen=True)
class Figure:
    """An accuracy in percent: the mean over runs, and the standard deviation, None if it was not published."""

    mean: float
    sd: float | None = None


@dataclass(frozen=True)
class ModelRow:
    """A row of one of our models.

    Attributes:
        model: the model.
        n_latent: Z.
        n_components: K.
        paper: the accuracies in the paper, in percent: over all classes, those with labels, and the others; only the
            first in the tables without labels.
    """

    model: ModelName
    n_latent: int
    n_components: int
    paper: tuple[Figure, ...]

    @property
    def key(self) -> str:
        """The name of the row on the command line and in file names."""
        return f"{self.model}-{self.n_latent}-{self.n_components}"

    @property
    def title(self) -> str:
        """The name of the row in the table."""
        return self.model.acronym

    @property
    def n_auxiliary(self) -> int | None:
        """A, the default in all rows of the paper; None if the model has no auxiliary latent."""
        return ModelConfig.n_auxiliary if self.model.auxiliary else None


@dataclass(frozen=True)
class PeerRow:
    """A row of a peer, run here.

    Attributes:
        peer: the method.
        n_components: the number of clusters; None for a classifier, whose components are the labelled classes.
    """

    peer: PeerName
    n_components: int | None = None

    @property
    def key(self) -> str:
        """The name of the row on the command line and in file names."""
        return str(self.peer) if self.n_components is None else f"{self.peer}-{self.n_components}"

    @property
    def title(self) -> str:
        """The name of the row in the table."""
        return PEER_TITLES[self.peer]


Row = ModelRow | PeerRow


@dataclass(frozen=True)
class Published:
    """A row that the paper quotes from other papers."""

    title: str
    n_components: int
    accuracy: Figure


@dataclass(frozen=True)
class Table:
    """A table of the paper.

    Attributes:
        name: its name.
        caption: what it shows.
        source: the built-in data set.
        labelled: the classes that have labels, by their number in the data set; the others have none.
        models: the rows of our models.
        peers: the rows of peers, run here.
        published: the rows that the paper quotes from other papers.
    """

    name: TableName
    caption: str
    source: str
    labelled: tuple[int, ...]
    models: tuple[ModelRow, ...]
    peers: tuple[PeerRow, ...]
    published: tuple[Published, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows that can be run here."""
        return (*self.models, *self.peers)

    def chosen(self, wanted: tuple[str, ...]) -> tuple[Row, ...]:
        """The rows that people ask for.

        Args:
            wanted: keys of rows, beginnings of keys ("gm-dgm") or kinds (`MODELS`, `PEERS`); empty chooses all rows.

        Raises:
            InputError: a name matches no row.
        """
        kinds: dict[str, tuple[Row, ...]] = {MODELS: self.models, PEERS: self.peers}
        found: set[str] = set()
        for name in wanted:
            alike = tuple(row for row in self.rows if f"{row.key}-".startswith(f"{name}-"))
            rows = [row.key for row in kinds.get(name, alike)]
            if not rows:
                known = ", ".join([*kinds, *(row.key for row in self.rows)])
                raise InputError(f"{self.name} has no row {name!r}; choose from {known}")
            found.update(rows)
        return tuple(row for row in self.rows if row.key in found or not wanted)


def _ours(model: ModelName, n_latent: int, n_components: int, *figures: tuple[float, float]) -> ModelRow:
    return ModelRow(model, n_latent, n_components, tuple(Figure(mean, sd) for mean, sd in figures))


_CLUSTERERS = tuple(
    PeerRow(peer, k)
    for peer in (PeerName.K_MEANS, PeerName.UMAP_GMM, PeerName.VADE, PeerName.DEC)
    for k in (N_CLASSES, 30)
)
_M2, _ADGM, _GM, _AGM = ModelName.M2, ModelName.ADGM, ModelName.GM_DGM, ModelName.AGM_DGM

TABLES = {
    table.name: table
    for table in (
        Table(
            TableName.TABLE_1,
            "Fashion-MNIST, semi-unsupervised: labels of classes 0 to 4 masked, few labels for each of classes 5 to 9",
            "fashion-mnist",
            labelled=(5, 6, 7, 8, 9),
            models=(
                _ours(_M2, 300, 15, (53.0, 4.3), (76.7, 2.8), (27.3, 6.4)),
                _ours(_ADGM, 300, 15, (55.8, 4.6), (78.3, 1.9), (33.4, 7.9)),
                _ours(_GM, 200, 15, (71.2, 0.8), (71.4, 2.0), (71.1, 1.8)),
                _ours(_GM, 200, 30, (77.2, 1.3), (77.4, 2.5), (77.1, 1.7)),
                _ours(_GM, 300, 15, (72.4, 2.0), (73.3, 1.4), (73.4, 3.5)),
                _ours(_AGM, 200, 15, (73.2, 0.8), (74.8, 2.9), (71.7, 4.5)),
                _ours(_AGM, 300, 15, (72.2, 2.4), (75.1, 4.3), (69.3, 4.5)),
            ),
            peers=(*_CLUSTERERS, PeerRow(PeerName.LABEL_SPREADING), PeerRow(PeerName.SELF_TRAINING)),
        ),
        Table(
            TableName.TABLE_2,
            "Fashion-MNIST, no labels",
            "fashion-mnist",
            labelled=(),
            models=(
                _ours(_GM, 200, 15, (67.3, 3.5)),
                _ours(_GM, 200, 30, (75.2, 1.5)),
                _ours(_GM, 300, 15, (65.6, 4.3)),
                _ours(_GM, 300, 30, (72.5, 3.4)),
                _ours(_AGM, 200, 15, (68.5, 1.39)),
                _ours(_AGM, 200, 30, (74.1, 0.7)),
                _ours(_AGM, 300, 15, (66.1, 2.7)),
            ),
            peers=_CLUSTERERS,
            published=(Published("DEC (Guo, 2018)", 10, Figure(61.8)),),
        ),
        Table(
            TableName.TABLE_3,
            "MNIST, no labels",
            "mnist",
            labelled=(),
            models=(
                _ours(_GM, 200, 15, (91.1, 3.5)),
                _ours(_GM, 200, 30, (96.3, 0.9)),
                _ours(_GM, 300, 15, (94.5, 1.2)),
                _ours(_GM, 300, 30, (95.7, 0.9)),
                _ours(_AGM, 200, 15, (90.0, 3.9)),
                _ours(_AGM, 200, 30, (95.7, 2.3)),
            ),
            peers=_CLUSTERERS,
            published=(
                Published("VaDE (Jiang et al., 2017)", 10, Figure(94.0)),
                Published("GMVAE (Dilokthanakul et al., 2017)", 10, Figure(83.2, 3.8)),
                Published("GMVAE (Dilokthanakul et al., 2017)", 16, Figure(87.8, 5.3)),
                Published("GMVAE (Dilokthanakul et al., 2017)", 30, Figure(92.8, 1.6)),
                Published("CatGAN (Maaløe et al., 2017)", 20, Figure(90.3)),
                Published("AAE (Makhzani et al., 2016)", 16, Figure(90.5, 2.2)),
                Published("AAE (Makhzani et al., 2016)", 30, Figure(95.9, 1.1)),
                Published("IMSAT (Hu et al., 2017)", 10, Figure(98.4, 0.4)),
                Published("DEC (Xie et al., 2016)", 10, Figure(84.3)),
                Published("JULE (Yang et al., 2016)", 10, Figure(96.1)),
                Published("ACOL-GAR (Kilinc & Uysal, 2018)", 10, Figure(98.3, 0.1)),
            ),
        ),
    )
}
