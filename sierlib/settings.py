"""Classes, the paper's constants and the named profiles.

Every constant that comes from the paper lives here once, with the section it was read in
(Kumar, Malik and Raman, "Interpretable Multimodal Emotion Recognition using Hybrid Fusion of
Speech and Image Data").
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

#: The four emotions, in the order of every probability vector (Section 3.1).
CLASSES: tuple[str, ...] = ("anger", "happy", "hate", "sad")

#: The two modalities, and for each the other one.
MODALITIES: tuple[str, ...] = ("speech", "image")
OTHER: dict[str, str] = {"speech": "image", "image": "speech"}

#: The teachers, and the modality that each of them knows (Section 3.1).
ROLES: dict[str, str] = {"ser": "speech", "ier": "image"}

#: What B-T4SA's labels tell apart (Section 5.3).
SENTIMENTS: tuple[str, ...] = ("negative", "neutral", "positive")

#: Class shares of the IIT-R SIER data set, 80,893 samples (Section 3.1).
PAPER_COUNTS: dict[str, int] = {"anger": 19_913, "happy": 42_958, "hate": 4_401, "sad": 13_621}

#: A pair whose more confident teacher stays below this is discarded (Section 3.1).
LABEL_THRESHOLD = 0.5

#: Emotions that Plutchik's wheel puts next to two of the four classes (Section 3.1).
RELABEL: dict[str, str] = {"excitement": "happy", "disgust": "hate"}

#: Other words and codes that corpora use for the four classes and their two neighbours: every
#: adapter reads labels by this table. What is not in it (neutral, fear, surprise) is of no class.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "anger": ("ang", "angry", "furious", "fury", "mad", "rage"),
    "happy": ("hap", "happiness", "joy", "joyful", "joyous", "optimism"),
    "hate": ("hateful", "hatred"),
    "sad": ("sadness", "sorrow"),
    "excitement": ("exc", "excited"),
    "disgust": ("dis", "disgusted"),
}
_KNOWN = {word: name for name, words in SYNONYMS.items() for word in words}


@lru_cache(maxsize=1000)  # a table of millions has few labels
def relabel(name: str) -> str | None:
    """Return the class an emotion belongs to, or None where it belongs to none of the four.

    Examples
    --------
    >>> relabel("disgust"), relabel(" Angry"), relabel("fear")
    ('hate', 'anger', None)
    """
    name = name.strip().casefold()
    name = _KNOWN.get(name, name)
    name = RELABEL.get(name, name)
    return name if name in CLASSES else None


#: Share of the samples that are never trained on (Section 4.2).
TEST_SHARE = 0.30

#: Cross-validation folds inside the training part (Section 4.2).
FOLDS = 5

#: Weights of categorical focal loss and of categorical cross-entropy (Section 4.2).
FOCAL_WEIGHT, CROSS_ENTROPY_WEIGHT = 1.0, 0.5

#: Learning rate of networks that begin with ImageNet weights (Section 4.2).
PAPER_RATE = 8e-6

#: Speech below this percentile of importance is silenced before it is listened to (Section 3.3).
SILENCE_PERCENTILE = 30.0

#: Published accuracies, Table 1, by the names that networks have in `sierlib.experiment.models`.
PAPER_TABLE_1: dict[str, float] = {
    "ser": 0.6017,
    "ier": 0.6693,
    "baseline1": 0.6393,
    "baseline2": 0.6181,
    "baseline3": 0.6770,
    "fused": 0.8329,
}

#: Published accuracies, Table 2; the other two systems there saw other inputs.
PAPER_TABLE_2: dict[str, float] = {"sentiment-fused": 0.8968}

#: Width and height of both inputs (Section 3.2.1).
SIZE = 128

#: Channels of both inputs: a spectrogram has one, a photograph three (Section 3.2.1).
CHANNELS: dict[str, int] = {"speech": 1, "image": 3}

SAMPLE_RATE = 16_000  # Hz, mono
HOP = 800  # samples; 128 frames of 50 ms are a window of 6.4 s
WINDOW_SECONDS = SIZE * HOP / SAMPLE_RATE
N_FFT = 2048
FLOOR_DB = -80.0  # decibels against the fixed reference 1.0; the value 0 of a log-mel


@dataclass(frozen=True)
class Profile:
    """How much is computed; never what.

    The topology of the networks and the order of the steps are the same in every profile.

    Parameters
    ----------
    name
        What `PROFILE=` and the papermill parameter `profile` take.
    pairs, speech_items, image_items
        Sizes of the embedded corpus: pairs, and items of each teacher's corpus. Real corpora are
        used whole.
    emotion_words, emotion_shapes
        Vocabulary of the embedded corpus: how many words (of 15) and how many kinds of shapes (of
        6) carry each emotion. A small one can be learned from few pairs.
    width
        Factor on the number of filters of VGG16 and VGG19; 1 is the paper's.
    n1_filters
        Filters of N1's convolutions.
    normalised
        Whether each convolution of a VGG that starts from random weights is followed by batch
        normalisation (the "BN" variant of VGG): as published it needs ImageNet weights to start.
    batch, epochs, learning_rate
        Of ParallelNet and of the unimodal models.
    absent
        Share of training rows that are shown without speech, and again without picture; half as
        many are shown without either, and taught the classes' shares. 0 shows all rows whole, as
        in the paper.
    class_weight
        Rows of a class count as its share to the power of minus this: 0 counts rows alike, 1
        classes.
    teacher_epochs, teacher_learning_rate
        Of the two teachers.
    warmup
        Epochs during which the learning rate rises; then it falls along a cosine. 0 keeps the rate
        constant, as in the paper.
    augment
        Whether training items are shifted in time and mirrored.
    run_eagerly
        Whether networks run without being turned into a graph first, which pays for a handful of
        steps; under TensorFlow alone.
    patience_stop, patience_plateau
        Early stopping and learning-rate reduction (Section 4.2: 5 and 2).
    folds
        How many of the five cross-validation folds are trained.
    repeats
        How many times, each from a seed of its own, every network is trained.
    studies
        The networks, or groups of them, of `sierlib.experiment.models` that are trained; of the
        others, recorded values are shown.
    weights
        "imagenet-required" stops when ImageNet weights cannot be had, "none" starts from random
        weights.
    pictures
        What N2 of the picture is: "" for VGG19 of the profile's width and weights; else
        EfficientNet-Lite0, "random" or "pretrained" (on ImageNet, by an optional package).
    speech
        What N2 of the speech is: "" for VGG16; "embedding" for a speech embedding that was trained
        to spot keywords, from an optional package, and frozen (but where `tuned` thaws all).
    frozen
        Whether EfficientNet-Lite0 keeps the weights it begins with.
    tuned
        Epochs, after the others, in which all layers learn at the paper's rate.
    depth
        Halvings inside a modality when a prediction is explained.
    explained_samples
        How many samples notebook 05 explains, for notebook 06 to show.
    aligned_utterances
        How many utterances check the forced alignment.
    faithfulness_samples, faithfulness_perturbed, faithfulness_randomised
        Samples on which methods of explanation are compared, those of them that are perturbed, and
        those on which the network's weights are randomised (notebook 08).
    faithfulness_methods
        The methods of explanation that are compared (notebook 08); none stands for all.
    perturbed_rows
        Test rows to which noise is added, and that are spoken again at another speed (notebook 07).
    """

    name: str
    pairs: int = 1_700
    speech_items: int = 2_400
    image_items: int = 2_400
    emotion_words: int = 5
    emotion_shapes: int = 4
    width: float = 0.125
    n1_filters: tuple[int, ...] = (24, 48, 72, 96)
    normalised: bool = True
    batch: int = 16
    epochs: int = 12
    learning_rate: float = 2e-3
    absent: float = 0.1
    class_weight: float = 0.0
    teacher_epochs: int = 16
    teacher_learning_rate: float = 2e-3
    warmup: int = 1
    augment: bool = True
    run_eagerly: bool = False
    patience_stop: int = 5
    patience_plateau: int = 2
    folds: int = 1
    repeats: int = 1
    studies: tuple[str, ...] = ("fused", "ser", "ier")
    weights: str = "none"
    pictures: str = ""
    speech: str = ""
    frozen: bool = False
    tuned: int = 0
    depth: int = 5
    explained_samples: int = 24
    aligned_utterances: int = 40
    faithfulness_samples: int = 24
    faithfulness_perturbed: int = 8
    faithfulness_randomised: int = 2
    faithfulness_methods: tuple[str, ...] = ("owen", "edges, no model", "random")
    perturbed_rows: int = 60

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as a plain dict, for keys and result files."""
        return asdict(self)

    def recipe(self) -> dict[str, Any]:
        """Return the settings that decide what a network becomes.

        How large the corpus is shows in its rows; how many networks are trained, and what they are
        asked afterwards, changes none of them.
        """
        recipe = {name: getattr(self, name) for name in _RECIPE}
        # Left out where nothing is chosen: recipes from before there was a choice stay the same.
        chosen = {name: getattr(self, name) for name in _PRETRAINING}
        return recipe | {name: value for name, value in chosen.items() if value}

    def for_teachers(self) -> Profile:
        """Return the profile that teachers are trained by: with rates and epochs of their own.

        They see every row whole. They see their few items many times, so that for them a graph pays
        in every profile.
        """
        return replace(
            self,
            epochs=self.teacher_epochs,
            learning_rate=self.teacher_learning_rate,
            absent=0.0,
            class_weight=0.0,
            run_eagerly=False,
        )


_RECIPE = (
    "width",
    "n1_filters",
    "normalised",
    "weights",
    "batch",
    "epochs",
    "learning_rate",
    "warmup",
    "absent",
    "class_weight",
    "augment",
    "run_eagerly",
    "patience_stop",
    "patience_plateau",
)

_PRETRAINING = ("pictures", "speech", "frozen", "tuned")

QUICK = Profile("quick")

PROFILES: dict[str, Profile] = {
    "smoke": replace(
        QUICK,
        name="smoke",
        pairs=120,
        speech_items=120,
        image_items=120,
        width=0.0625,
        n1_filters=(8, 8, 8, 8),
        batch=16,
        epochs=1,
        teacher_epochs=12,
        teacher_learning_rate=2e-3,
        warmup=6,  # by then batch normalisation's averages mean something, even with so few steps
        augment=False,
        depth=3,
        explained_samples=2,
        aligned_utterances=6,
        faithfulness_samples=4,
        faithfulness_perturbed=2,
        faithfulness_randomised=1,
        perturbed_rows=20,
        run_eagerly=True,
    ),
    "quick": QUICK,
    "full": replace(
        QUICK,
        name="full",
        pairs=8_000,
        speech_items=8_000,
        image_items=5_000,
        epochs=20,
        emotion_words=15,
        emotion_shapes=6,
        folds=FOLDS,
        repeats=3,
        studies=("Table 1", "learning curve", "choice", "Table 2", "N2"),
        depth=6,
        aligned_utterances=100,
        faithfulness_samples=96,
        faithfulness_perturbed=24,
        faithfulness_randomised=8,
        faithfulness_methods=(),
        perturbed_rows=600,
    ),
    # Section 4.2, to the letter: what needs a GPU and the ImageNet weights.
    "paper": replace(
        QUICK,
        name="paper",
        pairs=80_893,
        speech_items=10_000,
        image_items=10_000,
        width=1.0,
        n1_filters=(64, 128, 256, 512),
        emotion_words=15,
        emotion_shapes=6,
        normalised=False,
        batch=64,
        epochs=30,
        learning_rate=PAPER_RATE,
        absent=0.0,
        warmup=0,
        augment=False,
        folds=FOLDS,
        repeats=3,
        studies=("Table 1", "N2", "choice", "Table 2"),
        depth=6,
        faithfulness_samples=96,
        faithfulness_perturbed=24,
        faithfulness_randomised=8,
        faithfulness_methods=(),
        perturbed_rows=600,
        weights="imagenet-required",
    ),
    # For real photographs and sentences: what optional packages of weights are worth.
    "pretrained": replace(
        QUICK,
        name="pretrained",
        pictures="pretrained",
        speech="embedding",
        frozen=True,
        studies=("fused", "ser", "ier", "pre-training"),
    ),
}


def profile(name: str | Profile) -> Profile:
    """Return the profile of that name.

    Raises
    ------
    ValueError
        When there is none; the message lists those that exist.

    Examples
    --------
    >>> profile("smoke").pairs
    120
    """
    if isinstance(name, Profile):
        return name
    if name not in PROFILES:
        raise ValueError(f"unknown profile {name!r}: choose one of {', '.join(PROFILES)}")
    return PROFILES[name]
