"""The peers: clusterers and classifiers of other libraries."""

import numpy as np
import pytest

from dgm_engine.config import Preset
from dgm_engine.discovery import metrics
from dgm_engine.reproduction import peers
from dgm_engine.reproduction.peers import PeerTask, run_peer
from dgm_engine.reproduction.tables import PeerName


@pytest.fixture(scope="module")
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Values (400, 60) between 0 and 1 in four well separated groups, and the groups."""
    generator = np.random.default_rng(0)
    group = np.arange(400) % 4
    centres = generator.uniform(size=(4, 60))
    return (centres[group] + generator.normal(scale=0.05, size=(400, 60))).clip(0, 1).astype(np.float32), group


DEEP = [
    pytest.param(peer, marks=[pytest.mark.slow, pytest.mark.skipif(bool(peers.missing(peer)), reason="no clustpy")])
    for peer in sorted(peers.DEEP_PEERS)
]


@pytest.mark.parametrize("peer", [PeerName.K_MEANS, pytest.param(PeerName.UMAP_GMM, marks=pytest.mark.slow), *DEEP])
def test_clusterers_find_groups_on_images_that_they_were_not_fitted_to(blobs, peer):
    x, group = blobs
    task = PeerTask(peer, 4, seed=0, epochs=(60, 5))
    found = run_peer(task, x, np.full(300, -1), 300)
    assert found.shape == (400,)
    # Deep peers may merge two of the four groups after so few passes; chance is 0.25.
    assert metrics.accuracy_hungarian(found[300:], group[300:]) > (0.7 if peer in peers.DEEP_PEERS else 0.95)


@pytest.mark.parametrize("peer", [PeerName.LABEL_SPREADING, PeerName.SELF_TRAINING])
def test_classifiers_learn_the_labelled_classes(blobs, peer):
    x, group = blobs
    known = np.where((np.arange(300) < 40) & (group[:300] < 2), group[:300], -1)
    found = run_peer(PeerTask(peer, None, 0, (1, 1)), x, known, 300)
    old = group < 2
    assert (found[old] == group[old]).mean() > 0.95
    assert set(found) == {0, 1}


def test_epochs_of_deep_peers_are_said():
    assert peers.deep_epochs(Preset.PAPER, None) == (100, 150)
    assert peers.deep_epochs(Preset.FAST, 1) == (1, 1)
    assert PeerTask(PeerName.DEC, 10, 0, peers.deep_epochs(Preset.FAST, None)).stages == "10 + 15"
    assert PeerTask(PeerName.K_MEANS, 10, 0, (10, 15)).stages == ""
