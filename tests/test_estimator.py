"""The scikit-learn estimator: scikit-learn's own checks, and what it finds among digits of which half have labels."""

import copy
import pickle
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_iris, make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading
from sklearn.utils.estimator_checks import check_classifiers_classes, parametrize_with_checks

import dgm_engine
from dgm_engine import SemiUnsupervisedClassifier
from dgm_engine.config import LikelihoodName, ModelName
from dgm_engine.errors import InputError
from dgm_engine.objective import Sampling, bound, component_prior

SMALL = {"n_components": 4, "n_latent": 2, "n_hidden": 16, "max_epochs": 8}
PLAIN = {"clustering_start": False, "neighbour_weight": 0, "learning_rate": 0.03, "batch_size": 64}
"""Random weights in place of a clustering: quick enough for the hundreds of fits of scikit-learn's checks."""
UNCLUSTERED = {**SMALL, "training": PLAIN}
RESERVED = {"check_classifiers_classes": "it uses -1 as a class, and -1 is what says that there is no label"}
N_ROWS = 900
N_LABELS = 3
LABELLED_DIGITS = 5
DIGITS = {
    "n_components": 20,
    "n_classes": 10,
    "likelihood": "bernoulli",
    "image_shape": (8, 8),
    "n_latent": 20,
    "n_hidden": 200,
    "max_epochs": 15,
    "random_state": 1,
}


@parametrize_with_checks(
    [SemiUnsupervisedClassifier(**UNCLUSTERED)],
    expected_failed_checks=lambda _: RESERVED,
    xfail_strict=True,
)
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [
        SemiUnsupervisedClassifier(**SMALL),
        *(SemiUnsupervisedClassifier(model, **UNCLUSTERED) for model in ModelName if model is not ModelName.GM_DGM),
    ],
    expected_failed_checks=lambda _: RESERVED,
    xfail_strict=True,
)
def test_scikit_learn_accepts_the_clustering_start_and_the_other_models(estimator, check):
    check(estimator)


def test_scikit_learns_check_of_classes_passes_as_it_is_for_its_own_semi_supervised_classifiers():
    """Under the name of one of them, the check leaves out -1 as a class."""
    check_classifiers_classes("LabelSpreading", SemiUnsupervisedClassifier(**UNCLUSTERED))


class Digits:
    """900 digits, three labels for each of 0 to 4, none for 5 to 9, and the estimator fitted to them."""

    def __init__(self):
        x, truth = load_digits(return_X_y=True)
        self.x, self.truth = x[:N_ROWS] / 16, truth[:N_ROWS]
        self.y = np.full(N_ROWS, -1)
        for digit in range(LABELLED_DIGITS):
            self.label(digit)
        self.old = self.truth < LABELLED_DIGITS
        self.fitted = SemiUnsupervisedClassifier(**DIGITS).fit(self.x, self.y)

    def label(self, digit):
        rows = np.flatnonzero(self.truth == digit)
        self.y[np.random.default_rng(digit).choice(rows, N_LABELS, replace=False)] = digit


@pytest.fixture(scope="module")
def digits():
    return Digits()


@pytest.fixture
def fitted(digits):
    """The fitted estimator, the test's own."""
    return copy.deepcopy(digits.fitted)


def many_to_one(found, truth):
    """Accuracy where each found class takes the digit that most of its rows show."""
    return sum(np.bincount(truth[found == name]).max() for name in np.unique(found)) / len(truth)


def test_labelled_classes_are_recognised_and_the_others_discovered(digits):
    found, truth, old = digits.fitted.predict(digits.x), digits.truth, digits.old
    is_new = np.isin(found, digits.fitted.new_classes_)
    assert (found[old] == truth[old]).mean() > 0.7
    assert (found[old & ~is_new] == truth[old & ~is_new]).mean() > 0.93
    assert is_new[~old].mean() > 0.8
    assert many_to_one(found, truth) > many_to_one(KMeans(20, n_init=5, random_state=0).fit_predict(digits.x), truth)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # rows that no label reaches
        spread = LabelSpreading(kernel="knn", n_neighbors=7).fit(digits.x, digits.y).predict(digits.x)
    assert many_to_one(found, truth) > (spread == truth).mean() + 0.3  # it has no answer for five digits


def test_its_classes_are_the_given_ones_and_then_the_new_ones(digits):
    fitted = digits.fitted
    assert fitted.classes_.tolist() == list(range(len(fitted.classes_)))
    assert fitted.new_classes_.tolist() == fitted.classes_[LABELLED_DIGITS:].tolist()
    probability = fitted.predict_proba(digits.x)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    np.testing.assert_array_equal(fitted.classes_[probability.argmax(axis=1)], fitted.predict(digits.x))
    owned = fitted.class_of_component_
    assert set(owned[owned >= 0]) == set(range(len(fitted.classes_)))
    assert fitted.weights_.sum() == pytest.approx(1)
    known = digits.y >= 0
    np.testing.assert_array_equal(fitted.transduction_[known], digits.y[known])
    np.testing.assert_array_equal(fitted.transduction_[~known], fitted.predict(digits.x)[~known])
    assert fitted.bounds_[-1] > fitted.bounds_[0]


def test_labels_for_a_sixth_class_name_it_and_leave_the_rest(digits, fitted):
    before = fitted.predict(digits.x)
    assert not (before == 7)[digits.truth == 7].mean() > 0.9
    y = digits.y.copy()
    y[np.flatnonzero(digits.truth == 7)[:N_LABELS]] = 7
    assert fitted.partial_fit(digits.x, y) is fitted
    after, seven = fitted.predict(digits.x), digits.truth == 7
    assert fitted.classes_[: LABELLED_DIGITS + 1].tolist() == [0, 1, 2, 3, 4, 7]
    assert fitted.new_classes_[0] == 8
    assert (after == 7)[seven].mean() > 0.8
    assert (after == 7)[~seven].mean() < 0.05
    right_before, right_after = ((found == digits.truth)[digits.old].mean() for found in (before, after))
    assert right_after > right_before - 0.05
    assert (after[digits.old] == before[digits.old]).mean() > 0.8
    assert np.isin(after[~digits.old & ~seven], fitted.new_classes_).mean() > 0.75


def test_a_few_rows_alone_teach_a_class_and_do_not_wipe_out_the_others(digits, fitted):
    before = fitted.predict(digits.x)
    rows = np.flatnonzero(digits.truth == 7)[:N_LABELS]
    fitted.set_params(max_epochs=5).partial_fit(digits.x[rows], np.full(N_LABELS, 7))
    after = fitted.predict(digits.x)
    assert (after == 7)[digits.truth == 7].mean() > 0.6
    assert (after[digits.old] == before[digits.old]).mean() > 0.7
    assert len(fitted.new_classes_) > 5  # no row said that they were gone


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image_shape": 9}, "image_shape is 9; give"),
        ({"image_shape": (3, 4)}, "image_shape is (3, 4) and X has 9 columns"),
        ({"auxiliary": "poisson"}, "auxiliary"),
        ({"training": {"seed": 1.5}}, "seed is 1.5"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(changes, words):
    with pytest.raises(InputError, match=re.escape(words)):
        SemiUnsupervisedClassifier(**{**UNCLUSTERED, **changes}).fit(np.random.default_rng(0).random((30, 9)))


def test_the_family_of_the_auxiliary_latent_can_be_chosen():
    fitted = SemiUnsupervisedClassifier("agm-dgm", auxiliary="bernoulli", **UNCLUSTERED)
    fitted.fit(np.random.default_rng(0).random((30, 9)))
    assert fitted.model_.config.auxiliary is LikelihoodName.BERNOULLI


def test_more_classes_than_components_are_refused_and_nothing_changes(digits, fitted):
    before = fitted.predict_proba(digits.x)
    with pytest.raises(InputError, match="there are 21 classes by now and 20 components; call fit"):
        fitted.partial_fit(digits.x[:21], np.arange(21))
    np.testing.assert_array_equal(fitted.predict_proba(digits.x), before)


def test_samples_of_a_class_are_recognised_as_that_class(digits):
    for noise, least in ((False, 0.6), (True, 0.25)):  # noise has edges of its own
        right = []
        for digit in range(LABELLED_DIGITS):
            x, y = digits.fitted.sample(60, label=digit, noise=noise)
            assert x.shape == (60, 64)
            assert (y == digit).all()
            assert x.min() >= 0
            assert x.max() <= 1
            assert set(np.unique(x)) == {0, 1} if noise else len(np.unique(x)) > 2
            right.append((digits.fitted.predict(x) == digit).mean())
        assert np.mean(right) > least
    _, y = digits.fitted.sample(300, random_state=2)
    assert len(np.unique(y)) > LABELLED_DIGITS
    component = int(np.flatnonzero(digits.fitted.class_of_component_ == 3)[0])
    assert (digits.fitted.sample(5, component=component)[1] == 3).all()
    with pytest.raises(InputError, match=r"no component is in use for label='three'.* the classes are 0, 1, 2"):
        digits.fitted.sample(label="three")


def test_score_samples_ranks_noise_below_digits_and_is_the_bound(digits):
    fitted, x = digits.fitted, digits.x[:50]
    score = fitted.score_samples(x)
    shuffled = np.random.default_rng(0).permuted(x, axis=1)  # the same grey values, elsewhere
    assert (score[:, None] > fitted.score_samples(shuffled)).mean() > 0.99
    raw, generator = torch.from_numpy(x), torch.Generator().manual_seed(0)
    with torch.no_grad():
        encoded = fitted.model_.encode(fitted.model_.inputs(raw), 1, generator, fitted.model_.features(raw))
        owner = [str(k) if 0 <= k < LABELLED_DIGITS else None for k in fitted.class_of_component_]
        log_prior = component_prior(owner, fitted.n_classes).log().double()
        drawn = [
            bound(fitted.model_, encoded, encoded.log_q_y, log_prior, Sampling(generator, 20)).value for _ in range(5)
        ]
    error = torch.stack(drawn).std(0).numpy() / np.sqrt(5)
    expected = torch.stack(drawn).mean(0).numpy()
    assert abs((score - expected).mean()) < 0.5
    assert np.abs(score - expected).max() < 2 + 10 * error.max()


def test_score_samples_is_a_density_of_the_values_as_given():
    x, _ = make_blobs(60, random_state=0)
    score = SemiUnsupervisedClassifier(**UNCLUSTERED, random_state=0).fit(x).score_samples(x)
    larger = SemiUnsupervisedClassifier(**UNCLUSTERED, random_state=0).fit(8 * x).score_samples(8 * x)
    np.testing.assert_allclose(larger, score - 2 * np.log(8), rtol=1e-6)


@pytest.fixture(scope="module")
def blobs():
    x, truth = make_blobs([15, 15, 15, 15], centers=[[0, 0], [8, 0], [0, 8], [8, 8]], random_state=0)
    return x, truth


def test_without_labels_it_clusters(blobs):
    x, truth = blobs
    fitted = SemiUnsupervisedClassifier(**SMALL, random_state=0).fit(x)
    assert fitted.classes_.tolist() == fitted.new_classes_.tolist() == [0, 1, 2, 3]
    assert many_to_one(fitted.predict(x), truth) > 0.95


@pytest.mark.parametrize("kind", ["strings", "objects"])
def test_classes_may_be_strings_among_which_minus_one_stands_for_unknown(blobs, kind):
    x, truth = blobs
    y = np.array(["a", "new_0", -1, -1], dtype=object)[truth]
    fitted = SemiUnsupervisedClassifier(**SMALL, random_state=0).fit(x, y.astype(str) if kind == "strings" else y)
    assert fitted.classes_.tolist() == ["a", "new_0", "new_1", "new_2"]
    assert (fitted.predict(x)[truth < 2] == y[truth < 2]).mean() > 0.95
    assert np.isin(fitted.predict(x)[truth >= 2], ["new_1", "new_2"]).mean() > 0.95
    assert fitted.score(x, y) > 0.95  # unlabelled rows do not count


@pytest.mark.parametrize(("given", "new"), [([-3, -2], [0, 1]), ([True, False], [2, 3]), ([2.0, 7.0], [8, 9])])
def test_new_classes_take_the_numbers_after_the_given_ones_and_never_minus_one(blobs, given, new):
    x, truth = blobs
    y = np.full(len(x), -1, dtype=np.array(given).dtype) if given[0] is not True else np.empty(len(x), dtype=object)
    y[:] = -1
    for position, name in enumerate(given):
        y[truth == position] = name
    fitted = SemiUnsupervisedClassifier(**SMALL, random_state=0).fit(x, y)
    assert fitted.classes_.tolist() == [*sorted(given), *new]


def test_it_works_in_pipelines_and_grid_search():
    frame, truth = load_iris(return_X_y=True, as_frame=True)
    y = truth.where(np.arange(len(truth)) % 2 == 0, -1)
    pipeline = make_pipeline(
        StandardScaler(), SemiUnsupervisedClassifier(**{**UNCLUSTERED, "max_epochs": 30}, random_state=0)
    ).set_output(transform="pandas")
    search = GridSearchCV(
        pipeline, {"semiunsupervisedclassifier__n_components": [3, 6]}, cv=2, error_score="raise"
    ).fit(frame, y)
    assert search.best_score_ > 0.8
    latent = search.best_estimator_.transform(frame)
    assert latent.columns.tolist() == ["semiunsupervisedclassifier0", "semiunsupervisedclassifier1"]
    assert latent.shape == (150, 2)
    assert (search.predict(frame) == truth).mean() > 0.8


def test_a_random_state_fixes_everything_and_the_callers_generators_are_left_alone(blobs):
    x, truth = blobs
    y = np.where(truth < 2, truth, -1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()
    first, second = (SemiUnsupervisedClassifier(**SMALL, random_state=3).fit(x, y) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(x), second.predict_proba(x))
    np.testing.assert_array_equal(first.sample(5)[0], second.sample(5)[0])
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert torch.get_num_threads() == before[2]
    plain = [SemiUnsupervisedClassifier(**UNCLUSTERED, random_state=seed).fit(x, y) for seed in (3, 4)]
    assert np.abs(plain[0].predict_proba(x) - plain[1].predict_proba(x)).max() > 1e-6


def test_a_pickled_estimator_answers_the_same_and_goes_on(blobs):
    x, truth = blobs
    fitted = SemiUnsupervisedClassifier(**SMALL, random_state=0).fit(x, np.where(truth < 2, truth, -1))
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(x), fitted.predict_proba(x))
    for each in (again, fitted):
        each.partial_fit(x, np.where(truth < 3, truth, -1))
    assert again.classes_[:3].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(again.predict_proba(x), fitted.predict_proba(x))


@pytest.mark.parametrize("n", [2, 5, 9, 12])
def test_a_handful_of_rows_some_of_them_equal_train(n):
    x = np.random.default_rng(0).normal(size=(n, 3))
    x[:, 1] = 0.1  # a feature that never varies
    x[n // 2 :, 2] = 0.3
    y = np.full(n, -1)
    y[0] = 4
    fitted = SemiUnsupervisedClassifier(**{**SMALL, "n_components": 20, "max_epochs": 3}, random_state=0).fit(x, y)
    assert fitted.classes_[0] == 4
    assert np.isfinite(fitted.score_samples(x)).all()
    assert np.isfinite(fitted.transform(x)).all()
    np.testing.assert_allclose(fitted.predict_proba(10 * x).sum(axis=1), 1)


@pytest.mark.parametrize("model", list(ModelName))
def test_every_model_and_the_papers_preset_train(blobs, model):
    x, truth = blobs
    y = np.where(np.arange(len(x)) % 3 == 0, truth, -1)
    plain = SemiUnsupervisedClassifier(model, **{**UNCLUSTERED, "max_epochs": 80}, random_state=0)
    assert (plain.fit(x, y).predict(x) == truth).mean() > 0.9
    paper = clone(plain).set_params(preset="paper", max_epochs=3).fit(0.01 * x, y)  # sd below its limit for pixels
    assert paper.model_.inputs.n_kept == 2
    assert np.isfinite(paper.score_samples(0.01 * x)).all()


BAD = {
    "model": ({"model": "gmm"}, "model is 'gmm'; give one of 'gm-dgm', 'agm-dgm', 'm2', 'adgm'"),
    "preset": ({"preset": "slow"}, "preset is 'slow'; give one of 'fast', 'paper'"),
    "likelihood": ({"likelihood": "poisson"}, "likelihood is 'poisson'; give one of"),
    "range": ({"likelihood": "bernoulli"}, "from 0 to 1; scale them"),
    "image shape": ({"image_shape": (2, 2)}, r"image_shape is \(2, 2\) and X has 2 columns"),
    "flat image": ({"image_shape": (1, 1, 1, 2)}, r"image_shape is \(1, 1, 1, 2\)"),
    "components": ({"n_components": 0}, "n_components == 0, must be >= 1"),
    "epochs": ({"max_epochs": 0}, "max_epochs is 0; it must be above 0"),
    "setting": ({"training": {"speed": 3}}, "does not know speed"),
    "device": ({"device": "tpu"}, "device is 'tpu'; give 'auto', 'cpu' or 'cuda'"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_parameter_is_named_with_the_remedy(blobs, case):
    parameters, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        SemiUnsupervisedClassifier(**{**SMALL, **parameters}).fit(blobs[0], blobs[1])


def test_bad_data_is_told(blobs):
    x, truth = blobs
    estimator = SemiUnsupervisedClassifier(**UNCLUSTERED)
    with pytest.raises(InputError, match="all items are the same"):
        estimator.fit(np.full((20, 2), 0.1))
    with pytest.raises(InputError, match="labels of type NoneType, str; give strings or whole numbers, and -1"):
        estimator.fit(x, np.array(["a", None, "b", -1], dtype=object)[truth])
    with pytest.raises(NotFittedError):
        estimator.sample()
    estimator.fit(x, truth)
    with pytest.raises(InputError, match="use one kind of label"):
        estimator.partial_fit(x, truth.astype("U1"))
    with pytest.raises(InputError, match="y has no labelled row to score on"):
        estimator.score(x, np.full(len(x), -1))


def test_importing_the_engine_does_not_import_torch():
    code = "import sys, dgm_engine; assert not {'torch', 'sklearn', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert not hasattr(dgm_engine, "Classifier")
