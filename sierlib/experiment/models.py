"""What is trained: one table of networks, a row for each of the paper's tables and our questions.

A specification says what differs from ParallelNet as published; `train_all` is the one loop over
them. Names and titles of networks are those of this table, everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sierlib import settings
from sierlib.experiment import label_rule
from sierlib.experiment.manifest import labelled_by_teachers, read_manifest
from sierlib.run import Run

if TYPE_CHECKING:  # pages ask for names and titles, and are built without TensorFlow
    import keras


@dataclass(frozen=True)
class NetworkSpec:
    """One network to train.

    Parameters
    ----------
    name
        Of its files.
    title
        In tables.
    group
        The table or question it belongs to: a key of `GROUPS`.
    modality
        "both", "speech" or "image".
    options
        Of `parallel_net`, where they differ from the published choice.
    loss
        Weights of focal loss and of cross-entropy (Section 4.2: 1 and 0.5).
    rule
        "max": labels by the more confident teacher. "agreement": trained only on rows on which both
        teachers agree.
    threshold
        Trained only on rows whose more confident teacher reaches it (Section 3.1: 0.5).
    task
        "emotion", or "sentiment" (Table 2).
    pace
        Factor on the profile's learning rate.
    recipe
        Other settings of the profile, where they differ from it.
    rows
        Trained only on the first so many training rows; 0 for all.
    repeated
        Whether it is trained from as many seeds as the profile says, or from one.
    """

    name: str
    title: str
    group: str
    modality: str = "both"
    options: dict[str, Any] = field(default_factory=dict)
    loss: tuple[float, float] = (settings.FOCAL_WEIGHT, settings.CROSS_ENTROPY_WEIGHT)
    rule: str = "max"
    threshold: float = settings.LABEL_THRESHOLD
    task: str = "emotion"
    pace: float = 1.0
    recipe: dict[str, Any] = field(default_factory=dict)
    rows: int = 0
    repeated: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        """What is told apart, in the order of the network's output."""
        return settings.CLASSES if self.task == "emotion" else settings.SENTIMENTS

    def adapt(self, profile: settings.Profile) -> settings.Profile:
        """Return the profile that this network is trained by."""
        changed = replace(profile, **self.recipe)
        return replace(changed, learning_rate=changed.learning_rate * self.pace)

    def build(self, profile: settings.Profile) -> keras.Model:
        """Build the network with fresh weights, of a profile that `adapt` gave."""
        from sierlib.networks.parallelnet import parallel_net, unimodal

        if self.modality == "both":
            return parallel_net(profile, len(self.classes), **self.options)
        return unimodal(self.modality, profile, len(self.classes))

    def make_loss(self) -> keras.losses.Loss:
        """Return the loss it is trained with."""
        from sierlib.networks import losses

        return losses.FocalCrossEntropy(*self.loss)

    def as_dict(self) -> dict[str, Any]:
        """Return the specification as a plain dict, for keys and result files."""
        return asdict(self)


#: What the groups ask, in the order in which they are trained.
GROUPS: dict[str, str] = {
    "Table 1": "the six rows of Table 1",
    "learning curve": "Table 1's first three on fewer pairs",
    "N2": "what N2 holds (Section 4.3.2)",
    "choice": "the other choices of the paper",
    "Table 2": "sentiment (Table 2)",
    "pre-training": "what pre-training is worth to N2",
}

#: Pairs that the learning curve is trained on, before all of them, and for how many epochs: fewer
#: pairs are seen more often, lest few updates pass for little data.
CURVE: dict[int, int] = {400: 60, 800: 48, 1_600: 36, 3_200: 24}


def _both(kind: str) -> dict[str, str]:
    return {"n2_s": kind, "n2_i": kind}


def _plan_curve() -> list[NetworkSpec]:
    """Specify ParallelNet and its halves on ever more pairs."""
    planned = []
    for count, epochs in CURVE.items():
        for name, title, modality in (
            ("fused", "ParallelNet", "both"),
            ("ser", "speech only", "speech"),
            ("ier", "image only", "image"),
        ):
            planned.append(
                NetworkSpec(
                    f"{name}-{count}",
                    f"{title}, {count:,} pairs",
                    "learning curve",
                    modality,
                    recipe={"epochs": epochs},
                    rows=count,
                )
            )
    return planned


_ROWS = [
    # The rows of Table 1; the baselines differ in where the criss-cross is and in what N2 holds.
    NetworkSpec("fused", "ParallelNet", "Table 1", repeated=True),
    NetworkSpec("ser", "speech only", "Table 1", "speech", repeated=True),
    NetworkSpec("ier", "image only", "Table 1", "image", repeated=True),
    NetworkSpec(
        "baseline1",
        "Baseline 1",
        "Table 1",
        options={"configuration": 1, **_both("EfficientNet")},
        repeated=True,
    ),
    NetworkSpec(
        "baseline2",
        "Baseline 2",
        "Table 1",
        options={"configuration": 2, **_both("EfficientNet")},
        repeated=True,
    ),
    NetworkSpec("baseline3", "Baseline 3", "Table 1", options=_both("EfficientNet"), repeated=True),
    # What N2 may hold besides.
    NetworkSpec("n2-vgg16", "VGG16", "N2", options=_both("VGG16")),
    NetworkSpec("n2-vgg19", "VGG19", "N2", options=_both("VGG19")),
    NetworkSpec("n2-resnet34", "ResNet34", "N2", options=_both("ResNet34")),
    NetworkSpec("n2-resnet50", "ResNet50", "N2", options=_both("ResNet50")),
    NetworkSpec("n2-resnet101", "ResNet101", "N2", options=_both("ResNet101")),
    NetworkSpec("n2-inception3a", "Inception3a", "N2", options=_both("Inception3a")),
    NetworkSpec("n2-inception4a", "Inception4a", "N2", options=_both("Inception4a")),
    NetworkSpec("n2-mobilenet", "MobileNet", "N2", options=_both("MobileNet")),
    NetworkSpec("n2-densenet", "DenseNet", "N2", options=_both("DenseNet")),
    # One choice of the paper changed at a time.
    NetworkSpec(
        "addition",
        "weighted addition in Eq. 1",
        "choice",
        options={"fusion": "add"},
        repeated=True,
    ),
    NetworkSpec("fixed-weights", "w1 = w2 = w3 in Eq. 2", "choice", options={"late": "fixed"}),
    NetworkSpec("focal-only", "focal loss alone", "choice", loss=(1.0, 0.0)),
    NetworkSpec("cross-entropy-only", "cross-entropy alone", "choice", loss=(0.0, 1.0)),
    NetworkSpec(
        "resnet34-slow",
        "ResNet34, a tenth of the learning rate",
        "choice",
        options=_both("ResNet34"),
        pace=0.1,
    ),
    NetworkSpec(
        "resnet34-fast",
        "ResNet34, four times the learning rate",
        "choice",
        options=_both("ResNet34"),
        pace=4.0,
    ),
    NetworkSpec(
        "plain-vgg", "VGG without batch normalisation", "choice", recipe={"normalised": False}
    ),
    NetworkSpec("always-both", "no row without a modality", "choice", recipe={"absent": 0.0}),
    NetworkSpec(
        "weighted-classes", "rare classes weigh more", "choice", recipe={"class_weight": 0.5}
    ),
    NetworkSpec("strict-threshold", "threshold 0.7", "choice", threshold=0.7),
    NetworkSpec("agreement", "labels by agreement", "choice", rule="agreement", repeated=True),
    *_plan_curve(),
    # What ImageNet weights are worth to the picture's N2, and whether they should change; and what
    # the speech does without its embedding.
    NetworkSpec(
        "random-frozen",
        "random, frozen",
        "pre-training",
        recipe={"pictures": "random", "speech": "", "frozen": True},
    ),
    NetworkSpec(
        "random-trained",
        "random, trained",
        "pre-training",
        recipe={"pictures": "random", "speech": "", "frozen": False},
    ),
    NetworkSpec(
        "pretrained-frozen",
        "pre-trained, frozen",
        "pre-training",
        recipe={"pictures": "pretrained", "speech": "", "frozen": True},
    ),
    NetworkSpec(
        "pretrained-tuned",
        "pre-trained, then trained on",
        "pre-training",
        recipe={"pictures": "pretrained", "speech": "", "frozen": True, "tuned": 4},
    ),
    NetworkSpec(
        "ser-random",
        "speech only, random",
        "pre-training",
        "speech",
        recipe={"speech": ""},
    ),
    # Sentiment instead of emotion.
    NetworkSpec("sentiment-fused", "ParallelNet", "Table 2", task="sentiment"),
    NetworkSpec("sentiment-ser", "speech only", "Table 2", "speech", task="sentiment"),
    NetworkSpec("sentiment-ier", "image only", "Table 2", "image", task="sentiment"),
]

#: Every specification by name.
NETWORKS: dict[str, NetworkSpec] = {spec.name: spec for spec in _ROWS}


#: ParallelNet and its halves, by what result files call them.
HALVES: dict[str, str] = {"fused": "fused", "speech": "ser", "image": "ier"}


def names_in_group(group: str) -> list[str]:
    """Return the names of a group's specifications, in the order of its table."""
    return [name for name, spec in NETWORKS.items() if spec.group == group]


def published_accuracies(group: str) -> dict[str, float]:
    """Return the accuracies that the paper prints for a group, by title; none for our questions."""
    tables = {"Table 1": settings.PAPER_TABLE_1, "Table 2": settings.PAPER_TABLE_2}
    return {NETWORKS[name].title: value for name, value in tables.get(group, {}).items()}


def resolve_names(names: Iterable[str]) -> list[str]:
    """Return the specifications meant by names and by names of groups.

    Raises
    ------
    ValueError
        Listing both, for a name that is neither.

    Examples
    --------
    >>> resolve_names(["Table 2"])
    ['sentiment-fused', 'sentiment-ser', 'sentiment-ier']
    """
    resolved: list[str] = []
    for name in names:
        if name not in NETWORKS and name not in GROUPS:
            raise ValueError(
                f"unknown model {name!r}: choose one of {', '.join(NETWORKS)}, or one of "
                f"{', '.join(GROUPS)}"
            )
        resolved += [name] if name in NETWORKS else names_in_group(name)
    return list(dict.fromkeys(resolved))  # each once, in this order


def list_backbones(profile: settings.Profile) -> list[str]:
    """Return what N2 holds in any network that a profile trains."""
    kinds: set[str] = set()
    for name in resolve_names(profile.studies):
        options = NETWORKS[name].options
        kinds |= {options.get("n2_s", "VGG16"), options.get("n2_i", "VGG19")}
    return sorted(kinds)


def select_rows(run: Run, spec: NetworkSpec, fold: int = 0) -> dict[str, pd.DataFrame]:
    """Return the manifest's rows that a specification learns from and is judged by.

    Test and validation rows are the same for every specification of a task: rules and thresholds
    choose what is learned from. Sentiment uses the corpus's own split where it has one (B-T4SA's),
    and all usable rows, those too of which no teacher was sure.

    Returns
    -------
    dict
        "train", "validation" and "test": rows of the manifest with their `answer`.

    Raises
    ------
    ValueError
        When a part is empty, training would see fewer than two classes, or a rule or threshold of
        its own is asked of labels that the corpus brought.
    """
    manifest = read_manifest(run)
    if spec.task == "sentiment":
        parts = _select_sentiment_rows(run, manifest, fold)
    else:
        parts = _select_emotion_rows(spec, manifest, fold)
    for name, rows in parts.items():
        if rows.empty:
            raise ValueError(
                f"{spec.name}: no rows for {name} with fold {fold} in "
                f"{run.folder / 'dataset' / 'manifest.csv'}; folds are 0 to {settings.FOLDS - 1}, "
                f"and a {spec.rule} rule or a threshold of {spec.threshold:g} leaves nothing of a "
                "small corpus"
            )
    if parts["train"]["answer"].nunique() < 2:
        raise ValueError(
            f"{spec.name}: fewer than two classes to learn from in {run.data}; use a larger corpus"
        )
    return {name: rows.reset_index(drop=True) for name, rows in parts.items()}


def _select_emotion_rows(
    spec: NetworkSpec, manifest: pd.DataFrame, fold: int
) -> dict[str, pd.DataFrame]:
    """Split rows as the manifest does, and train only on those that rule and threshold leave."""
    learning = manifest[manifest["split"] == "train"]
    train = learning[learning["fold"] != fold]
    if labelled_by_teachers(train):
        train = train[_trusted(spec, train)]
    elif (spec.rule, spec.threshold) != (NETWORKS["fused"].rule, NETWORKS["fused"].threshold):
        raise ValueError(f"{spec.name}: the labels were given, no teacher was asked")
    if spec.rows:
        if len(train) < spec.rows:
            raise ValueError(f"fewer than {spec.rows:,} pairs to learn from")
        train = train.head(spec.rows)  # the manifest is in no order
    parts = {
        "train": train,
        "validation": learning[learning["fold"] == fold],
        "test": manifest[manifest["split"] == "test"],
    }
    return {name: rows.assign(answer=rows["label"]) for name, rows in parts.items()}


def _trusted(spec: NetworkSpec, rows: pd.DataFrame) -> np.ndarray:
    """Tell which rows a specification learns from: its rule and threshold, (n,) bool."""
    ser, ier = (label_rule.teacher_opinions(rows, role) for role in settings.ROLES)
    trusted = np.maximum(ser.max(axis=1), ier.max(axis=1)) >= spec.threshold
    if spec.rule == "agreement":
        trusted &= label_rule.agreement_rule(ser, ier)["kept"]
    return trusted


def _select_sentiment_rows(run: Run, manifest: pd.DataFrame, fold: int) -> dict[str, pd.DataFrame]:
    """Split the rows that have a sentiment: by the corpus's own split, else by the manifest's."""
    discarded = read_manifest(run, "discarded")
    rows = pd.concat([manifest, discarded], ignore_index=True)
    rows = rows[rows["sentiment"].isin(settings.SENTIMENTS)]
    rows = rows.assign(answer=rows["sentiment"])
    if rows.empty:
        raise ValueError(f"{run.data} says nothing of sentiment: Table 2 cannot be made from it")
    corpus_split = rows["own_split"]
    if corpus_split.isin(["train", "val", "test"]).all():
        return {
            "train": rows[corpus_split == "train"],
            "validation": rows[corpus_split == "val"],
            "test": rows[corpus_split == "test"],
        }
    learning, test = rows["split"] == "train", rows["split"] == "test"
    validating = rows["fold"] == fold
    # Discarded rows have no part; they are learned from, unless their text is one that is held out.
    held = set(rows.loc[test | validating, "group"])
    loose = (rows["split"] == "") & ~rows["group"].isin(held)
    return {
        "train": rows[(learning & ~validating) | loose],
        "validation": rows[learning & validating],
        "test": rows[test],
    }
