"""The paper's figures: arrays against plain float64 loops, charts, and the files that dgm figures writes."""

import csv
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from dgm_engine import cli
from dgm_engine.config import LikelihoodName, ModelConfig, ModelName
from dgm_engine.data.sources import SourceRequest
from dgm_engine.distributions import DiagonalGaussian
from dgm_engine.errors import InputError, NotFoundError, StateError
from dgm_engine.models.base import DeepGenerativeModel
from dgm_engine.models.registry import build_model
from dgm_engine.nn import InputMap
from dgm_engine.services import charts, divergence_charts, evaluating, figures, imagining, labelling, run_pairs
from dgm_engine.services.figure_files import FigureRequest, write_figures
from dgm_engine.services.projects import Project, create_project, open_project
from dgm_engine.services.snapshot import take
from dgm_engine.training import latent
from dgm_engine.training.batches import Table
from tests.fabricated import N_COMPONENTS, fabricate_model, fabricate_run, made_up_components

K, Z, D = 4, 3, 6


def small_model(name: ModelName) -> DeepGenerativeModel:
    torch.manual_seed(1)
    config = ModelConfig(D, K, LikelihoodName.BERNOULLI, name, n_latent=Z, n_auxiliary=2, n_hidden=8)
    inputs = InputMap(torch.arange(D), torch.zeros(D), torch.ones(D), torch.zeros(D))
    model = build_model(config, inputs, output_scale=0.7).double().eval()
    model.set_p_z(*torch.randn(2, K, Z, dtype=torch.float64))
    return model


def batch(n: int) -> torch.Tensor:
    return torch.rand(n, D, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def gaussian_kl(mean: float, log_var: float, other_mean: float, other_log_var: float) -> float:
    """KL between two Gaussians of one variable, from its definition's textbook form."""
    sd, other_sd = math.exp(log_var / 2), math.exp(other_log_var / 2)
    return math.log(other_sd / sd) + (sd**2 + (mean - other_mean) ** 2) / (2 * other_sd**2) - 0.5


@pytest.fixture
def modelled(trained: Project) -> Project:
    """Digits with run 1, whose checkpoint has random weights."""
    fabricate_model(trained.paths.run(1))
    return trained


def test_kl_by_unit_is_that_of_torch_and_sums_to_kl():
    mean, log_var, other_mean, other_log_var = torch.randn(4, 5, 3, dtype=torch.float64)
    q, p = DiagonalGaussian(mean, log_var), DiagonalGaussian(other_mean, other_log_var)
    expected = kl_divergence(Normal(mean, (0.5 * log_var).exp()), Normal(other_mean, (0.5 * other_log_var).exp()))
    torch.testing.assert_close(q.kl_by_unit(p), expected)
    torch.testing.assert_close(q.kl(p), expected.sum(-1))


@pytest.mark.parametrize("name", list(ModelName))
def test_eq_36_is_the_expectation_over_y_with_y_star_fixed(name: ModelName):
    model, x = small_model(name), batch(7)
    with torch.no_grad():
        found, y_star = latent.unit_kl(model, x)
        q_y, q_z = model.posterior(x)
        prior = model.p_z(torch.arange(K))
    for b in range(len(x)):
        assert int(y_star[b]) == max(range(K), key=lambda k: float(q_y[b, k]))
        for i in range(Z):
            q = float(q_z.mean[b, i]), float(q_z.log_var[b, i])
            expected = sum(
                float(q_y[b, k]) * gaussian_kl(*q, float(prior.mean[k, i]), float(prior.log_var[k, i]))
                for k in range(K)
            )
            assert float(found[b, i]) == pytest.approx(expected, rel=1e-10, abs=1e-14)


def test_activity_is_broken_out_by_component_and_group():
    model = small_model(ModelName.GM_DGM).float()
    table = Table(batch(40).float().numpy(), np.arange(40))
    rows, group = np.arange(5, 35), np.arange(30) % 3
    sums = latent.unit_activity(model, table, rows, group, 3)
    values, y = latent.unit_kl(model, table.values(rows))
    for k in range(K):
        for g in range(3):
            member = (y.numpy() == k) & (group == g)
            assert sums.count[k, g] == member.sum()
            np.testing.assert_allclose(sums.kl[k, g], values.numpy()[member].sum(0), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", list(ModelName))
def test_divergence_of_components_is_that_of_their_priors(name: ModelName):
    model = small_model(name)
    found = latent.prior_kl(model)
    assert found.shape == (K, K, Z)
    assert not found[np.arange(K), np.arange(K)].any()
    if name in (ModelName.M2, ModelName.ADGM):
        assert not found.any()
        return
    p = model.p_z(torch.tensor([2, 0]))
    expected = kl_divergence(*(Normal(p.mean[i], (0.5 * p.log_var[i]).exp()) for i in (0, 1)))
    np.testing.assert_allclose(found[2, 0], expected.detach(), rtol=1e-10)
    assert not np.allclose(found[2, 0], found[0, 2])


@pytest.mark.parametrize("name", list(ModelName))
def test_a_walk_is_straight_in_z_and_changes_y_half_way(name: ModelName):
    model, x = small_model(name), 10 * batch(60)  # far apart: fresh networks answer nearly the same everywhere
    with torch.no_grad():
        q_y, q_z = model.posterior(x)
        first = 0
        other = next(i for i in range(60) if q_y[i].argmax() != q_y[first].argmax())
        steps = latent.walk(model, x[[first, other]], 5)
        for step, (share, end) in enumerate(zip((0, 0.25, 0.5, 0.75, 1), (0, 0, 0, 1, 1), strict=True)):
            z = (1 - share) * q_z.mean[first] + share * q_z.mean[other]
            expected = model.decode(z, q_y[(first, other)[end]].argmax())
            np.testing.assert_allclose(steps[step], expected, rtol=1e-10)


def test_samples_vary_within_a_component_and_are_the_same_each_time():
    model = small_model(ModelName.GM_DGM)
    found = latent.samples(model.float(), 400)
    assert found.shape == (K, 400, D)
    assert (found.std(1) > 0).all()
    np.testing.assert_array_equal(found, latent.samples(model, 400))
    with torch.no_grad():
        p = model.p_z(torch.tensor([1]))
        z = p.mean + (0.5 * p.log_var).exp() * torch.randn(20_000, Z, generator=torch.Generator().manual_seed(5))
        expected = model.decode(z, torch.tensor(1)).mean(0)
    np.testing.assert_allclose(found[1].mean(0), expected, atol=5 * found[1].std() / 20)


def test_the_map_shows_the_test_split_or_a_stated_sample_of_it(trained: Project):
    found = figures.latent_map(take(trained), limit=50)
    assert (found.n_all, found.xy.shape, found.titled.by) == (360, (50, 2), "true class")
    rows = trained.pool.rows(found.items.tolist())
    assert set(trained.pool.split[rows]) == {"test"}
    names = [found.titled.groups[g] for g in found.group]
    assert names == [trained.pool.classes[t] for t in trained.pool.truth[rows]]
    assert found.component.tolist() == made_up_components(trained)[rows].tolist()
    everything = figures.latent_map(take(trained), limit=1_000)
    assert len(everything.items) == 360
    near, far = distances(everything.xy, everything.component)
    assert near < 0.5 * far  # the made-up z keep components apart


def distances(xy: np.ndarray, component: np.ndarray) -> tuple[float, float]:
    """Mean distance of items of one component, and of all."""
    each = np.linalg.norm(xy[:, None] - xy[None], axis=-1)
    return float(each[component[:, None] == component[None]].mean()), float(each.mean())


def test_units_come_in_the_order_of_their_weighted_kl(modelled: Project):
    found = figures.activity(take(modelled))
    weight = found.count / found.count.sum()
    np.testing.assert_allclose(found.overall, (found.kl * weight[..., None]).sum((0, 1)), rtol=1e-9)
    assert found.count.sum() == 360
    assert found.count.sum(0).tolist() == np.bincount(modelled.pool.truth[1437:]).tolist()
    assert (np.diff(found.overall[found.order]) <= 0).all()
    assert found.n_active == sum(value > figures.MIN_ACTIVE_KL for value in found.overall.tolist()) > 0
    assert figures.divergence(take(modelled)).order.tolist() == found.order.tolist()


def test_without_truth_the_named_classes_stand_in(tmp_path: Path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 255, (40, 8, 8), dtype=np.uint8))
    blind = create_project(tmp_path / "p", SourceRequest(str(tmp_path / "x.npy"))).project
    blind.pool.truth[:] = np.arange(40) % 3
    fabricate_model(fabricate_run(blind, 1))
    blind.pool.truth[:] = -1
    labelling.name_component(blind, 1, "one", "ann")
    found = figures.latent_map(take(blind))
    assert (found.titled.by, found.titled.groups, found.n_all) == ("predicted class", ("", "one"), 40)
    assert ((found.group == 1) == (found.component == 1)).all()
    assert found.titled.clusters[1] == "1: one"
    with pytest.raises(InputError, match="not known"):
        run_pairs.compared(take(blind), "1")
    report = write_figures(take(blind), tmp_path / "out", FigureRequest())
    assert [figure for figure, _ in report.left_out] == ["fig4_confusion"]


def test_what_the_model_imagines_is_drawn_for_the_components_in_use(modelled: Project):
    strips = imagining.strips(take(modelled))
    sizes = [s.size for s in strips]
    assert sizes == sorted(sizes, reverse=True)
    assert {s.component for s in strips} == set(range(11))  # 11 is empty
    assert all(
        s.samples.shape == (imagining.SAMPLES_PER_COMPONENT, 8, 8, 1) and s.samples.dtype == np.uint8 for s in strips
    )
    typical = imagining.exemplars(take(modelled))
    component = made_up_components(modelled)
    assert all(component[modelled.pool.rows([item])[0]] == k for k, item in typical.items())
    walk = imagining.walk(take(modelled), ("train/00000", "test/00003"), steps=4)
    assert walk.shape == (4, 8, 8, 1)
    with pytest.raises(InputError, match="at least 2"):
        imagining.walk(take(modelled), ("train/00000", "test/00003"), steps=1)
    with pytest.raises(NotFoundError, match="'nobody'"):
        imagining.walk(take(modelled), ("train/00000", "nobody"))


def test_any_run_can_be_scored_and_a_missing_one_is_named(trained: Project):
    fabricate_run(trained, 2, owner=("0", *(None,) * (N_COMPONENTS - 1)))
    labelling.label_items(trained, ["train/00000"], "0", "ann")
    first, second = evaluating.evaluate(take(trained, 1)), evaluating.evaluate(take(trained))
    assert (first.run, second.run) == (1, 2)
    assert first.accuracy_named is None
    assert second.accuracy_named is not None
    with pytest.raises(NotFoundError, match="no run 7 with results; it has 1, 2"):
        evaluating.evaluate(take(trained, 7))


def test_the_square_matrix_gives_unnamed_clusters_to_their_majority(trained: Project):
    labelling.name_component(trained, 3, "footwear", "ann")  # no ground-truth class: counts as its majority
    labelling.name_component(trained, 10, "8", "ann")  # wrong, and stays so
    found = evaluating.evaluate(take(trained)).best_naming
    assert found is not None
    component, truth = made_up_components(trained)[1437:], trained.pool.truth[1437:]
    expected = np.where(component == 10, 8, component)
    assert found.predicted == found.truth == tuple("0123456789")
    for row in range(10):
        assert found.counts[row].tolist() == [int(((truth == row) & (expected == c)).sum()) for c in range(10)]
    assert found.right == pytest.approx(float((expected == truth).mean()))


def test_runs_are_compared_by_number_by_project_and_by_folder(trained: Project, tmp_path: Path):
    copy = open_project(Path(shutil.copytree(trained.paths.root, tmp_path / "copy")))
    fabricate_run(trained, 2)
    titles = [title for title, _ in run_pairs.compared(take(trained), "1")]
    assert titles == ["digits, run 2: gm-dgm", "digits, run 1: gm-dgm"]
    for other in (copy.paths.root, copy.paths.run(1).root):
        assert run_pairs.compared(take(trained, 1), str(other))[1][1].run == 1
    with pytest.raises(NotFoundError, match="no run 3"):
        run_pairs.compared(take(trained), "3")
    np.savez(tmp_path / "x.npz", x=np.zeros((30, 8, 8), dtype=np.uint8), y=np.array(["a", "b", "c"] * 10))
    strange = create_project(tmp_path / "strange", SourceRequest(str(tmp_path / "x.npz"))).project
    with pytest.raises(InputError, match="classes a, b, c"):
        run_pairs.compared(take(trained), str(strange.paths.root))


def test_figures_are_written_with_the_numbers_behind_them(modelled: Project, tmp_path: Path):
    out = tmp_path / "figures"
    report = write_figures(take(modelled), out, FigureRequest(items=60))
    assert sorted(report.files) == sorted(path.name for path in out.iterdir())
    assert (len(report.files), report.left_out) == (11, ())
    for name in report.files:
        if name.endswith(".html"):
            page = (out / name).read_text()
            assert "Plotly.downloadImage" in page
            assert '"autoScale2d", "sendChartToCloud"]' in page  # no button that uploads it
            assert not re.search(r"<script[^>]+src=|<link[^>]+href=", page)  # nothing comes from elsewhere
        elif name.endswith(".png"):
            assert (out / name).read_bytes().startswith(b"\x89PNG")
    rows = table(out / "figC5_activity.csv")
    found = figures.activity(take(modelled))
    assert report.active_units == found.n_active
    assert [int(name.removeprefix("unit_")) for name in rows[0] if name.startswith("unit_")] == found.order.tolist()
    assert (rows[0]["component"], int(rows[0]["images"])) == ("all", 360)
    for unit in range(6):
        mean = sum(int(row["images"]) * float(row[f"unit_{unit}"]) for row in rows[1:]) / 360
        assert mean == pytest.approx(float(rows[0][f"unit_{unit}"]), rel=1e-4)
    pairs = table(out / "figC6_divergence.csv")
    assert len(pairs) == N_COMPONENTS * (N_COMPONENTS - 1)
    for row in pairs[:5]:
        assert sum(float(row[f"unit_{i}"]) for i in range(6)) == pytest.approx(float(row["all_units"]), rel=1e-4)
    assert sum(int(row["images"]) for row in table(out / "fig4_confusion.csv")) == 360
    drawn = table(out / "fig3_latent_map.csv")
    assert len(drawn) == 60
    assert any(float(row["x"]) < 0 for row in drawn)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_models_with_one_prior_have_no_distances_and_old_files_go(modelled: Project, tmp_path: Path):
    out = tmp_path / "figures"
    write_figures(take(modelled), out, FigureRequest(items=20))
    (out / "mine.txt").write_text("kept")
    fabricate_model(fabricate_run(modelled, 2, lineage=2), ModelName.M2)
    report = write_figures(take(modelled), out, FigureRequest(items=20))
    assert [figure for figure, _ in report.left_out] == ["figC6_divergence"]
    assert {path.name for path in out.iterdir()} == {*report.files, "mine.txt"}


def test_the_chart_of_activity_shows_as_many_units_as_asked_and_a_legend_of_all_classes(modelled: Project):
    found = figures.activity(take(modelled))
    figure = charts.activity(found, 4)
    drawn = [trace for trace in figure.data if not trace.showlegend]
    assert all(list(trace.customdata) == found.order[:4].tolist() for trace in drawn)
    assert [trace.name for trace in figure.data if trace.showlegend] == list(found.titled.groups)
    k = charts.panels(found)[0]
    g = int(found.count[k].argmax())
    line = next(trace for trace in drawn if trace.legendgroup == str(g))
    np.testing.assert_allclose(line.y, found.kl[k, g, found.order[:4]])


def test_the_chart_of_distances_carries_every_pair(modelled: Project):
    found = figures.divergence(take(modelled))
    figure = divergence_charts.divergence_with_pair(found, 5)
    cells = np.array(figure.data[0].customdata)
    first, second = found.alike[3], found.alike[7]
    np.testing.assert_allclose(cells[3, 7], found.kl[first, second, found.order[:5]], atol=1e-5)
    assert sorted(found.alike.tolist()) == list(range(N_COMPONENTS))
    np.testing.assert_allclose(figure.data[1].y, found.kl[found.alike[0], found.alike[1], found.order[:5]])


def test_names_cannot_write_into_a_page(modelled: Project, tmp_path: Path):
    labelling.name_component(modelled, 2, "<script>alert(1)</script>", "ann")
    write_figures(take(modelled), tmp_path / "out", FigureRequest(items=20))
    for path in (tmp_path / "out").glob("*.html"):
        assert "<script>alert" not in path.read_text()


def test_the_command_line_writes_and_reports(modelled: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def dgm(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["figures", str(modelled.paths.root), *map(str, arguments)])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    out = tmp_path / "figures"
    code, text, err = dgm(out, "--items", 20, "--json")
    assert (code, err) == (0, "")
    value = json.loads(text)
    assert value["path"] == str(out)
    assert {path.name for path in out.iterdir()} == set(value["files"])
    (tmp_path / "file").write_text("")
    for arguments, words in (
        ((out, "--run", 4), "no run 4 with results"),
        ((out, "--compare", tmp_path), "is not a project"),
        ((tmp_path / "file",), "choose another folder"),
    ):
        code, text, err = dgm(*arguments)
        assert (code, text, err.count("\n")) == (2, "", 1)
        assert words in err


def test_a_run_without_a_checkpoint_says_so(trained: Project, tmp_path: Path):
    with pytest.raises(StateError, match="has not saved a model"):
        write_figures(take(trained), tmp_path / "out", FigureRequest())
    assert not (tmp_path / "out").exists()
