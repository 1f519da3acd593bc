"""Figures: each is drawn from small input, shows what it was given, and takes any text."""

from __future__ import annotations

import re
from dataclasses import replace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sierbook.cases import ExplainedRow
from sierbook.extensions.figures import find_modules
from sierbook.faithfulness.rivals import CEILING, METHODS, Maps, Sample
from sierbook.figures import accuracy_plots, sample_plots, style, trust_plots
from sierbook.report import overlay
from sierlib import colours, settings
from sierlib.data import speech
from sierlib.experiment.models import published_accuracies

#: Pixels across of a figure on a page.
PAGE = 672
TEXTS = [
    "it costs $5 and $6",
    "$$",
    "a_b^c",
    r"\frac{1}{2} $x_$",
    "<b>&amp;</b>",
    "日本 ❤",
    "word " * 40,
]
HISTORY = {
    "epochs": [
        {"accuracy": 0.3 + e / 10, "loss": 2 - e / 5, "val_accuracy": 0.3, "val_loss": 1.9}
        for e in range(3)
    ],
    "best_epoch": 2,
}


def _drawn(made: Figure | Axes) -> Figure:
    figure = made.figure if isinstance(made, Axes) else made
    assert isinstance(figure, Figure)
    figure.canvas.draw()
    assert np.asarray(figure.canvas.buffer_rgba())[..., :3].std() > 1, "the figure is blank"
    box = figure.get_tightbbox()
    assert box.width < style.WIDTH + 0.1, "the figure is wider than a page"
    sizes = [text.get_fontsize() for text in figure.findobj(plt.Text) if text.get_text().strip()]
    assert min(sizes) / 72 * PAGE / box.width >= 11, "text is too small on the page"
    plt.close(figure)
    assert not plt.fignum_exists(figure.number)
    return figure


def _texts(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(plt.Text))


@pytest.fixture(autouse=True, scope="module")
def _style():
    with plt.rc_context():
        style.use_style()
        yield


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("text", TEXTS)
def test_pairs_show_any_sentence_and_label(text: str) -> None:
    rows = pd.DataFrame({"label": ["sad", "happy", "hate"], "text": [text, "plain", text]})
    figure = _drawn(sample_plots.pairs(rows, np.full((3, 128, 128, 3), 0.5), columns=2))
    assert [axis.get_title() for axis in figure.axes] == ["sad", "happy", "hate", ""]
    assert "plain" in _texts(figure)


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("text", TEXTS)
def test_a_log_mel_is_drawn_with_any_words(text: str) -> None:
    mel = np.random.default_rng(0).random((128, 128, 1))
    figure = _drawn(
        sample_plots.log_mel(mel, [speech.Word(text, 0.5, 1.0), speech.Word("late", 6.39, 7.0)])
    )
    assert "late" not in _texts(figure) and figure.axes[0].get_xlabel() == "seconds"
    low = figure.axes[0].images[0]
    assert low.origin == "lower" and low.get_extent() == [0, 6.4, 0, 128]


def test_class_shares_stand_beside_the_papers() -> None:
    figure = _drawn(
        accuracy_plots.class_shares(dict(zip(settings.CLASSES, (1, 2, 0, 1), strict=True)), "tiny")
    )
    heights = sorted(
        round(patch.get_height(), 2) for patch in figure.axes[0].patches if patch.get_height() > 0
    )
    assert 0.53 in heights and 0.5 in heights and "tiny" in _texts(figure)
    _drawn(accuracy_plots.class_shares(dict.fromkeys(settings.CLASSES, 0)))


def test_learning_curves_have_a_column_for_each_network() -> None:
    figure = _drawn(
        accuracy_plots.learning_curves(
            {"A": HISTORY, "B": {**HISTORY, "epochs": HISTORY["epochs"][:1], "best_epoch": 1}}
        )
    )
    assert len(figure.axes) == 4 and {"A", "B"} <= {axis.get_title() for axis in figure.axes}
    training = figure.axes[0].lines[0].get_ydata()
    assert list(training) == pytest.approx([0.3, 0.4, 0.5])


def test_accuracies_have_their_intervals_and_the_published_ones() -> None:
    table = pd.DataFrame(
        {
            "model": ["ParallelNet", "speech only"] * 2,
            "against": ["on the labels"] * 2 + ["on the planted truth"] * 2,
            "accuracy": [0.8, 0.6, 0.7, 0.5],
            "low": [0.7, 0.5, 0.6, 0.4],
            "high": [0.9, 0.7, 0.8, 0.6],
        }
    )
    figure = _drawn(accuracy_plots.accuracies(table, published_accuracies("Table 1")))
    shown = _texts(figure)
    assert all(
        name in shown
        for name in ("on the labels", "on the planted truth", "ParallelNet", "speech only")
    )
    assert "published" in shown
    published = figure.axes[0].collections[-1].get_offsets()[:, 0]
    assert sorted(published) == [
        settings.PAPER_TABLE_1["ser"],
        settings.PAPER_TABLE_1["fused"],
    ]
    _drawn(accuracy_plots.accuracies(table.head(1)))
    again = _drawn(accuracy_plots.accuracies(table.head(2).assign(again=[[0.75, 0.78], []])))
    assert again.axes[0].lines[-1].get_xydata().tolist() == [[0.75, 0.0], [0.78, 0.0]]
    assert "other trainings" in _texts(again)


def _curve(*against: str) -> pd.DataFrame:
    """A made-up learning curve of two networks on two sizes."""
    rows = []
    for kind in against:
        for name, first in (("ParallelNet", 0.5), ("speech only", 0.4)):
            for pairs, accuracy in ((400, first), (1_600, first + 0.3)):
                row = {"network": name, "pairs": pairs, "against": kind, "accuracy": accuracy}
                rows.append(row | {"low": accuracy - 0.1, "high": accuracy + 0.1, "majority": 0.45})
    return pd.DataFrame(rows)


def test_a_learning_curve_has_a_line_for_each_network_and_the_largest_class() -> None:
    figure = _drawn(accuracy_plots.accuracy_by_pairs(_curve("labels", "truth")))
    assert [axis.get_title() for axis in figure.axes] == ["on the labels", "on the truth"]
    for axis in figure.axes:
        fused, speech_only, largest = axis.lines
        assert fused.get_xydata().tolist() == [[400, 0.5], [1_600, 0.8]]
        assert speech_only.get_xydata().tolist() == [[400, 0.4], [1_600, 0.7]]
        assert set(largest.get_ydata()) == {0.45}
        assert [tick.get_text() for tick in axis.get_xticklabels()] == ["400", "1,600"]
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named == ["ParallelNet", "speech only", "largest class"]


def test_a_learning_curve_of_which_the_truth_is_not_known_has_one_panel() -> None:
    figure = _drawn(accuracy_plots.accuracy_by_pairs(_curve("labels")))
    assert [axis.get_title() for axis in figure.axes] == ["on the labels"]


def test_differences_are_drawn_around_zero() -> None:
    table = pd.DataFrame(
        {
            "comparison": ["a − b", "a − c"],
            "difference": [0.1, -0.05],
            "low": [0.0, -0.2],
            "high": [0.2, 0.1],
        }
    )
    figure = _drawn(accuracy_plots.differences(table))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a − b", "a − c"]


def test_a_confusion_matrix_shows_shares_and_counts() -> None:
    figure = _drawn(
        accuracy_plots.confusion(
            [[3, 1, 0, 0], [0, 5, 0, 0], [0, 0, 0, 0], [1, 1, 0, 2]], "costs $5 or $6"
        )
    )
    shown = _texts(figure)
    assert "75%\n(3)" in shown and "100%\n(5)" in shown and "0%\n(0)" in shown
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == list(
        settings.CLASSES
    )


@pytest.mark.parametrize("samples", [400, 30_000, 150_000])
def test_a_waveform_goes_from_blue_to_yellow(samples: int) -> None:
    _, axis = plt.subplots()
    importance = np.linspace(0, 1, 128)
    sample_plots.waveform(np.sin(np.arange(samples) / 20).astype(np.float32), importance, axis)
    assert axis.get_xlim()[1] == pytest.approx(min(samples, 102_400) / 16_000, rel=0.15)
    _drawn(axis)
    least, most = style.LEAST_TO_MOST(0.0), style.LEAST_TO_MOST(1.0)
    assert least[2] > least[0] and most[0] > most[2] and most[1] > most[2]


def test_a_silent_waveform_and_a_flat_map_can_be_drawn() -> None:
    _, (left, right) = plt.subplots(1, 2)
    sample_plots.waveform(np.zeros(8_000, np.float32), np.zeros(128), left)
    overlay(np.zeros((128, 128, 3)), np.zeros((128, 128)), right, [(1, 2, 30, 40)])
    assert (
        len(right.patches) == 1
        and right.patches[0].get_width() == 29
        and right.patches[0].get_height() == 38
    )
    _drawn(left.figure)


@pytest.mark.filterwarnings("ignore:Glyph")
def test_an_explained_pair_says_prediction_label_and_score(cases: list[ExplainedRow]) -> None:
    case = replace(
        cases[0],
        words=[speech.Word(text, 0.1 * n, 0.1 * n + 0.1) for n, text in enumerate(TEXTS[:5])],
    )
    truth = {"image": {"boxes": [[10, 10, 40, 40]]}}
    figure = _drawn(sample_plots.explained(case, truth=truth))
    title = figure.get_suptitle()
    assert (
        f"predicted: {case.predicted}" in title
        and f"label: {case.row['label']}" in title
        and f"{case.probabilities.max():.2f}" in title
    )
    assert _drawn(sample_plots.explained(cases[1]))


def test_a_division_is_drawn_level_by_level(cases: list[ExplainedRow]) -> None:
    figure = _drawn(sample_plots.divisions(cases[0]))
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == [f"level {level}: {2 * 2**level} regions" for level in (1, 2)]


def test_colours_are_told_apart() -> None:
    assert set(style.COLOURS) == set(settings.CLASSES) and len(set(style.COLOURS.values())) == 4
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in style.COLOURS.values())


def _summary(methods: list[str]) -> pd.DataFrame:
    """A made-up summary of scores; the first method is the best of each."""
    means = {"share": 0.9, "deletion": 0.1, "random weights": -0.1, "gini": 0.9, "evaluations": 522}
    rows = []
    for measure, best in means.items():
        for place, method in enumerate(methods):
            worse = {"share": -0.05, "evaluations": 1}.get(measure, 0.05) * place
            if measure == "random weights":
                worse = 0.3 * place
            row = {"measure": measure, "part": "image", "method": method, "mean": best + worse}
            rows.append(row | {"low": 0.0, "high": 1.0, "n": 9, "chance": np.nan})
    return pd.DataFrame(rows)


def test_all_scores_fit_a_page_and_the_best_of_a_row_is_the_darkest() -> None:
    figure = _drawn(trust_plots.all_scores(_summary([*METHODS, CEILING])))
    (mesh,) = figure.axes[0].collections
    merit = np.asarray(mesh.get_array()).reshape(5, -1)
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    expected = {"share": "↑", "deletion": "↓", "random weights": "→ 0", "evaluations": "↓"}
    for measure, arrow in expected.items():
        (line,) = [n for n, name in enumerate(names) if name.startswith(f"{measure},")]
        assert merit[line, 0] == 1 and merit[line].min() == 0 and names[line].endswith(arrow)
    assert (merit[names.index("gini, image")] == 0).all()
    assert "522" in _texts(figure) and "522.00" not in _texts(figure)
    _drawn(trust_plots.all_scores(_summary(["owen"])))


def test_scores_name_their_methods_where_a_part_has_none() -> None:
    figure = _drawn(trust_plots.scores(_summary(["owen", "random"]), "share"))
    named = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert named == ["owen", "random"]


@pytest.mark.filterwarnings("ignore:vert")  # seaborn's, until its next release
@pytest.mark.parametrize("opinions", [["agree", "differ"], ["not asked"]])
@pytest.mark.parametrize("classes", [settings.CLASSES, ("happy",)])
def test_values_of_modalities_are_drawn_whoever_was_asked_and_whatever_is_said(
    opinions: list[str], classes: tuple[str, ...]
) -> None:
    values = pd.DataFrame(
        [
            {"predicted": name, "teachers": opinion, "share": 0.4, "interaction": 0.1}
            for name in classes
            for opinion in opinions
        ]
    )
    figure = _drawn(trust_plots.modality_values(values))
    assert all(opinion in _texts(figure) for opinion in opinions)


def test_maps_side_by_side_have_one_colour_for_and_one_against() -> None:
    ramp = np.linspace(-1, 1, 128)[None].repeat(128, axis=0)
    mel = np.zeros((128, 128, 1), np.float32)
    mel[:, :60] = 0.5
    sample = Sample("a", mel, np.full((128, 128, 3), 0.5, np.float32), 0)
    planted = {"image": {"boxes": [[1, 2, 30, 40]]}, "speech": {"emotion_times": [[0.5, 1.0]]}}
    figure = _drawn(trust_plots.side_by_side(sample, {"owen": Maps(ramp, ramp)}, planted))
    faces = {mpl.colors.to_hex(c.get_facecolor()[0]) for c in figure.axes[4].collections}
    assert faces == {colours.FOR, colours.AGAINST}
    band = figure.axes[4].patches[0]
    assert mpl.colors.to_hex(band.get_facecolor()) == colours.PLANTED


def test_ticks_say_what_they_stand_at() -> None:
    _, axis = plt.subplots()
    style.show_points(axis.xaxis)
    style.show_percent(axis.yaxis)
    assert [axis.xaxis.major.formatter(v, 0) for v in (-0.025, 0, 0.05)] == ["−2.5", "0", "+5"]
    assert [axis.yaxis.major.formatter(v, 0) for v in (0.125, 0.6, 1)] == ["12.5%", "60%", "100%"]
    plt.close()


def test_the_code_behind_a_figure_is_found_in_its_cell() -> None:
    cell = "accuracy_plots.differences(main);\ntrust_plots.leads(m)\nnobody_plots.draw()"
    assert [path.name for path in find_modules(cell)] == ["accuracy_plots.py", "trust_plots.py"]
    assert find_modules("print(1)") == []
