"""The table: every claim of the paper, its published value, who judges it, and the page that
computes ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sierbook.claims import order, values
from sierbook.claims.findings import (
    DASH,
    OTHER_SYSTEM,
    TOO_LITTLE,
    Finding,
    title_of,
    untestable,
)
from sierbook.claims.reading import Results
from sierbook.numbers import PAPER, Key, mark, write
from sierlib import settings

#: Headings of the ledger, in the order of the paper.
GROUPS: dict[str, str] = {
    "Abstract": "Abstract",
    "3.1": "Section 3.1: the data set",
    "3.2": "Section 3.2: the two fusions",
    "3.3": "Section 3.3: the explanations",
    "4.2": "Section 4.2: training",
    "4.3.1": "Section 4.3.1: one modality alone",
    "Table 1": "Section 4.3.2 and Table 1: the configurations",
    "5.1": "Sections 5.1 and 5.2: Fig. 3 and Fig. 4",
    "Table 2": "Section 5.3 and Table 2: sentiment",
    "5.4": "Section 5.4: discussion",
}

#: Other authors' accuracies (Table 2).
PAPER_OTHERS = {"Vadicamo et al.": 0.5130, "Gaspar et al.": 0.6042}

Judge = Callable[[Results], Finding]


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    Parameters
    ----------
    group
        A key of `GROUPS`.
    where, text, published
        The place in the paper, the claim, and the published value or words.
    judge
        From results by notebook to a `Finding`; raises `Missing` or `Untestable`.
    notebook, heading
        The page that computes our value, and words from the heading above the cell.
    trained
        Whether it matters how well networks learned, which profile smoke cannot say.
    learning
        Whether it is a remark on how networks learn; notebook 03 shows these together.
    constructed
        Whether it holds by the way in which the book is built, and could fail by a mistake only.
    """

    group: str
    where: str
    text: str
    published: str
    judge: Judge
    notebook: str
    heading: str
    trained: bool = True
    learning: bool = False
    constructed: bool = False


# ------------------------------------------------------------------------------- parts of the table
_NO_NUMBER = "no number"

#: Comparisons on all test rows that were named in advance (`comparisons.PRIMARY`).
_NAMED_IN_ADVANCE = {("fused", "ser"), ("fused", "ier"), ("fused", "baseline3")}

_INCEPTIONS = ("n2-inception3a", "n2-inception4a")
_SMALL = ("n2-mobilenet", "n2-densenet")
_BACKBONES = (
    "n2-resnet34", "n2-resnet50", "n2-resnet101", *_INCEPTIONS, "baseline3", *_SMALL,
)  # fmt: skip

#: The rows of Table 1: network, what it is called here, and its published accuracy.
_TABLE_1 = tuple((name, title_of(name), value) for name, value in settings.PAPER_TABLE_1.items())
_BEST, _SENTIMENT = settings.PAPER_TABLE_1["fused"], settings.PAPER_TABLE_2["sentiment-fused"]


def _quote(name: str) -> str:
    """Write a network's published accuracy in per cent, with its key."""
    if name in settings.PAPER_TABLE_1:
        value, reference = settings.PAPER_TABLE_1[name], "labels"
    else:
        value, reference = settings.PAPER_TABLE_2[name], "sentiments"
    return mark(f"{100 * value:.2f}", value, Key("accuracy", name, "", reference, PAPER))


def _quote_others(name: str) -> str:
    key = Key("accuracy", name, "", "sentiments", PAPER)
    return f"{mark(f'{100 * PAPER_OTHERS[name]:.2f}', PAPER_OTHERS[name], key)} %"


_SER, _IER, _FUSED = (_quote(name) for name in ("ser", "ier", "fused"))
_ONE, _TWO, _THREE = (_quote(f"baseline{number}") for number in (1, 2, 3))


def _untestable(kind: str, reason: str) -> Judge:
    """Return a judge of what no result can tell."""
    return lambda _: untestable(DASH, kind, reason)


def _claim_count(text: str, published: str, name: str, heading: str) -> Claim:
    judge = partial(values.judge_count, name)
    return Claim("3.1", "3.1", text, published, judge, "01-dataset", heading, trained=False)


def _claim_counts() -> list[Claim]:
    """Return the counts of Section 3.1, the largest class first."""
    total = sum(settings.PAPER_COUNTS.values())
    pairs = Key("pairs", "", "usable", "", PAPER)
    claims = [_claim_count("samples", write(total, ",", *pairs), "all", "The pairs")]
    for name, count in sorted(settings.PAPER_COUNTS.items(), key=lambda item: -item[1]):
        part = f"usable, {name}, All"
        counted = write(count, ",", *pairs._replace(part=part))
        share = write(count / total, "percent", "share of the labels", "label", part, "", PAPER)
        published = f"{counted} ({share})"
        claims.append(_claim_count(f"samples labelled {name}", published, name, "Classes"))
    return claims


def _claim_ahead(
    group: str, where: str, text: str, published: str, *pairs: tuple[str, str]
) -> Claim:
    """Return a claim that the first network of each pair is the more accurate one.

    It leads to the table of notebook 04 in which the differences stand.
    """
    heading = "Five comparisons" if set(pairs) <= _NAMED_IN_ADVANCE else "Every other pair"
    return Claim(
        group, where, text, published, partial(order.judge_ahead, pairs), "04-results", heading
    )


def _against(*rivals: str) -> list[tuple[str, str]]:
    return [("fused", rival) for rival in rivals]


def _claim_accuracies() -> list[Claim]:
    """Return the accuracies of Table 1."""
    claims = []
    for name, title, accuracy in _TABLE_1:
        text, published = f"{title}: accuracy on validation", f"{_quote(name)} %"
        judge = partial(values.judge_accuracy, name, accuracy)
        claims.append(Claim("Table 1", "Table 1", text, published, judge, "03-ablation", "Table 1"))
    return claims


def _claim_best() -> list[Claim]:
    """Return the claims that ParallelNet is better than each other row of Table 1."""
    claims = []
    for name, title, _ in _TABLE_1[:-1]:
        text = f"ParallelNet is better than {title}"
        published = f"{_FUSED} against {_quote(name)} %"
        claims.append(_claim_ahead("Table 1", "Table 1, 6", text, published, ("fused", name)))
    return claims


def _claim_sentiment(title: str, published: str, judge: Judge) -> Claim:
    return Claim("Table 2", "Table 2", title, published, judge, "04-results", "Table 2")


# ------------------------------------------------------------------------------- the table itself
#: The claims, by group in the order of `GROUPS`.
CLAIMS: tuple[Claim, ...] = (
    Claim("Abstract", "abstract, 1, 5.1",
          "accuracy of ParallelNet; Table 1 has the same number as validation accuracy",
          f"{_FUSED} %", partial(values.judge_accuracy, "fused", _BEST),
          "04-results", "Accuracy"),
    *_claim_counts(),
    Claim("3.1", "3.1",
          "the higher maximum gives the label: speech 0.1, 0.1, 0.7, 0.1, image 0.1, 0.8, 0.05, "
          "0.05",
          "the second class", values.judge_rule_example, "01-dataset", "The pairs", trained=False,
          constructed=True),
    Claim("3.1", "3.1", "samples whose higher maximum is below the threshold are discarded",
          "threshold 0.5, twice a random prediction's 0.25", values.judge_threshold,
          "03-ablation", "other choices", trained=False, constructed=True),
    Claim("3.1", "3.1", "corrupt and duplicate samples are removed", _NO_NUMBER,
          values.show_cleaning, "01-dataset", "The pairs", trained=False),
    Claim("3.1", "3.1", "excitement and disgust are labelled anew, after Plutchik's wheel",
          "happy and hate", values.judge_moved_labels, "01-dataset", "Two teachers", trained=False,
          constructed=True),
    Claim("3.2", "3.2.1",
          "multiplication dilutes the assertion of the surer modality where the two conflict",
          "an argument", order.judge_dilution, "04-results", "Every other pair"),
    Claim("3.2", "3.2.1", "modalities that predict the same class support each other",
          "an argument", order.judge_support, "04-results", "Agreement and conflict"),
    _claim_ahead("3.2", "3.2.1", "multiplication was chosen over weighted addition by experiment",
                 _NO_NUMBER, ("fused", "addition")),
    Claim("3.2", "3.2.2", "w1, w2 and w3 are learned, and a softmax keeps them from being negative",
          "no values", values.judge_weights, "02-training", "late fusion", trained=False,
          constructed=True),
    Claim("3.3", "3.3, Eq. 5",
          "parts add up to the whole less nothing, each part being valued in both contexts",
          "holds", partial(values.judge_additivity, "owen"),
          "05-interpretability", "Dividing and conquering", trained=False, constructed=True),
    Claim("3.3", "3.3, Eq. 5",
          "the same, dividing as the text literally says, with all else at zero",
          "holds", partial(values.judge_additivity, "published"),
          "05-interpretability", "Dividing and conquering", trained=False),
    Claim("3.3", "3.3",
          "Shapley values applied to the spectrogram directly do not give meaningful speech",
          _NO_NUMBER,
          _untestable(TOO_LITTLE,
                      "no matter of numbers; speech rebuilt from a spectrogram can be heard"),
          "05-interpretability", "From values to sound"),
    Claim("4.2", "4.2", "baselines and proposed models converge in validation loss",
          "18–23 epochs", values.judge_epochs, "03-ablation", "Table 1", learning=True),
    Claim("4.3.1", "4.3.1", "image only: high training accuracy, low validation accuracy",
          _NO_NUMBER, values.judge_overfitting, "02-training", "Training", learning=True),
    Claim("4.3.1", "4.3.1", "image only: kappa is low, as it over-fits for a class",
          _NO_NUMBER, values.judge_kappa, "02-training", "Training", learning=True),
    Claim("4.3.1", "4.3.1",
          "accuracy and F1 are in line for speech only, and not for image only",
          _NO_NUMBER, order.judge_halves_in_line, "02-training", "Training", learning=True),
    _claim_ahead("4.3.1", "4.3.1", "speech only: the accuracy is less", f"{_SER} against {_IER} %",
                 ("ier", "ser")),
    *_claim_accuracies(),
    *_claim_best(),
    _claim_ahead("Table 1", "4.3.2", "configuration 3 is the best of the three",
                 f"{_THREE} against {_ONE} and {_TWO} %",
                 ("baseline3", "baseline1"), ("baseline3", "baseline2")),
    Claim("Table 1", "4.3.2", "configuration 3 shows in-line convergence, of accuracy and F1",
          _NO_NUMBER, order.judge_third_in_line, "03-ablation", "Table 1", learning=True),
    _claim_ahead("Table 1", "Table 1",
                 "Baselines 1 and 2, with both modalities, stay below image only",
                 f"{_ONE} and {_TWO} against {_IER} %", ("ier", "baseline1"), ("ier", "baseline2")),
    _claim_ahead("Table 1", "4.3.2", "VGG16 for speech with VGG19 for the image is the best N2",
                 "no numbers of the others", *_against("n2-vgg16", "n2-vgg19", *_BACKBONES)),
    Claim("5.1", "5.1, Fig. 3", "class-wise accuracies of ParallelNet", "only in the picture",
          values.show_classes, "04-results", "Confusion matrix"),
    Claim("5.1", "5.2, 5.4, Fig. 4",
          "both modalities tell sad; where images seem neutral, words tell hate and anger",
          "four pictures", values.show_locations, "08-explanations", "Does it find what is there?"),
    _claim_sentiment("Vadicamo et al., cross-modal learning", _quote_others("Vadicamo et al."),
                     values.show_image_only),
    _claim_sentiment("Gaspar et al., multimodal sentiment analysis", _quote_others("Gaspar et al."),
                     _untestable(OTHER_SYSTEM, "another system, on other inputs")),
    _claim_sentiment("ParallelNet, three sentiments", f"{_quote('sentiment-fused')} %",
                     partial(values.judge_accuracy, "sentiment-fused", _SENTIMENT,
                             part="test", data="bt4sa")),
    Claim("5.4", "5.4",
          "the rejected rule, by which both have to agree, is biased towards the teachers: each "
          "alone gets 100 %",
          "100 %", partial(values.judge_teacher_alone, "agreement"),
          "01-dataset", "Classes", trained=False, constructed=True),
    Claim("5.4", "5.4",
          "a teacher alone gets 100 % under the rule that was used, that of the higher maximum",
          "100 %", partial(values.judge_teacher_alone, "the more confident teacher"),
          "01-dataset", "Classes", trained=False),
    Claim("5.4", "5.4",
          "the closer a model is to the teachers, the more favourable is its evaluation",
          _NO_NUMBER, order.judge_favour, "04-results", "Accuracy"),
    Claim("5.4", "5.4", "the rule that was used gives more accurate labels than the rejected one",
          _NO_NUMBER, order.judge_labels, "03-ablation", "other choices"),
    Claim("5.4", "5.4",
          "that rule is more effective in capturing the emotion of both modalities together",
          _NO_NUMBER, order.judge_rules, "04-results", "Five comparisons"),
    _claim_ahead("5.4", "5.4",
                 "of VGG, ResNet, Inception, EfficientNet, MobileNet and DenseNet, VGG is best",
                 _NO_NUMBER, *_against(*_BACKBONES)),
    Claim("5.4", "5.4",
          "ResNet learns slowly at a low learning rate and fluctuates a lot at a high one",
          _NO_NUMBER, order.judge_resnets, "03-ablation", "other choices", learning=True),
    Claim("5.4", "5.4", "Inception converges faster", _NO_NUMBER,
          partial(order.judge_speed, _INCEPTIONS), "03-ablation", "What N2 holds", learning=True),
    _claim_ahead("5.4", "5.4", "Inception's accuracy is lower", _NO_NUMBER,
                 *_against(*_INCEPTIONS)),
    Claim("5.4", "5.4", "EfficientNet converges faster", _NO_NUMBER,
          partial(order.judge_speed, ("baseline3",)),
          "03-ablation", "What N2 holds", learning=True),
    _claim_ahead("5.4", "5.4, Table 1", "EfficientNet's accuracy is lower",
                 f"{_THREE} against {_FUSED} %", ("fused", "baseline3")),
    _claim_ahead("5.4", "5.4", "MobileNet and DenseNet perform low", _NO_NUMBER,
                 *_against(*_SMALL)),
)  # fmt: skip
