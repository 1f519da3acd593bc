"""Small models of other kinds than ParallelNet, to be explained in notebook 10, and shap's way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sierlib.shapley import explain
from sierlib.shapley.explain import Explanation, Region

Array = NDArray[Any]
Inputs = dict[str, Array]

#: What the sentences of the first model are made of, besides "not", which turns them round.
WORDS = ("", "not", "the", "sky", "sea", "lamp", "is", "looks", "very", "red", "blue", "green")
COLOURS = ("red", "blue", "green")


def words_and_picture(seed: int = 0) -> tuple[Any, Inputs, list[str]]:
    """Train a Keras model that says whether a sentence fits a picture.

    Returns
    -------
    model
        Takes ``words`` (n, 6), numbers of `WORDS`, and ``picture`` (n, 16, 16, 3); returns (n, 2),
        no and yes.
    inputs, words
        A sample of it, and its sentence.
    """
    import keras

    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    words, pictures, fits = zip(*(_draw_pair(rng) for _ in range(1_500)), strict=True)
    text = keras.Input((6,), dtype="int32", name="words")
    picture = keras.Input((16, 16, 3), name="picture")
    heard = keras.layers.Flatten()(keras.layers.Embedding(len(WORDS), 8)(text))
    heard = keras.layers.Dense(32, "relu")(heard)
    seen = keras.layers.Conv2D(16, 4, strides=4, activation="relu")(picture)
    seen = keras.layers.Dense(32, "relu")(keras.layers.Flatten()(seen))
    joined = keras.layers.Concatenate()([heard, seen, keras.layers.Multiply()([heard, seen])])
    scores = keras.layers.Dense(2, "softmax")(keras.layers.Dense(32, "relu")(joined))
    model = keras.Model([text, picture], scores)
    model.compile("adam", "sparse_categorical_crossentropy")
    known = {"words": np.array(words), "picture": np.array(pictures)}
    model.fit(known, np.array(fits), epochs=15, batch_size=32, verbose=0)
    inputs = {name: each[0] for name, each in known.items()}
    return model, inputs, [WORDS[number] for number in inputs["words"]]


def _draw_pair(rng: np.random.Generator) -> tuple[Array, Array, int]:
    """Draw a sentence, a picture with a coloured square, and whether they fit."""
    said, shown = (int(each) for each in rng.integers(0, 3, 2))
    if rng.random() < 0.4:
        shown = said
    negated = bool(rng.random() < 0.3)
    sentence = ["the", str(rng.choice(("sky", "sea", "lamp"))), str(rng.choice(("is", "looks")))]
    sentence += ["not" if negated else "very", COLOURS[said], ""]
    picture = rng.uniform(0, 0.2, (16, 16, 3)).astype(np.float32)
    row, column = rng.integers(0, 9, 2)
    colour = {"red": (1, 0, 0), "blue": (0, 0, 1), "green": (0, 1, 0)}[COLOURS[shown]]
    picture[row : row + 8, column : column + 8] = colour
    numbers = np.array([WORDS.index(word) for word in sentence])
    return numbers, picture, int((said == shown) != negated)


def table_and_course(seed: int = 0) -> tuple[Callable[[Inputs], Array], Inputs]:
    """Train a forest of scikit-learn on a table beside a course of measurements.

    Returns
    -------
    model
        A callable over ``table`` (n, 4) and ``course`` (n, 32, 1), which returns (n, 2).
    inputs
        A sample of it, of the second class.
    """
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(seed)
    table = rng.normal(size=(600, 4))
    course = rng.normal(scale=0.3, size=(600, 32, 1))
    peak = rng.random(600) < 0.5
    course[peak, 20:24] += 2
    answers = (peak & (table[:, 1] > 0)).astype(int)
    forest = RandomForestClassifier(50, random_state=seed)
    forest.fit(np.hstack([table, course[..., 0]]), answers)

    def model(x: Inputs) -> Array:
        return np.asarray(forest.predict_proba(np.hstack([x["table"], x["course"][..., 0]])))

    first = int(answers.argmax())
    return model, {"table": table[first], "course": course[first]}


def compile_model(model: Any) -> Callable[[Inputs], Array]:
    """Return a Keras model as a compiled function over a dict, as TensorFlow runs it fastest."""
    import tensorflow as tf

    run = tf.function(model, reduce_retracing=True)
    return lambda x: np.asarray(run(x))


def explain_with_shap(
    model: Callable[[Inputs], Any], inputs: Inputs, found: Explanation
) -> dict[str, float]:
    """Explain a sample by shap's permutations of the same finest regions, as it has to be told:
    a single row of players, and a function that masks all inputs by it.

    Returns
    -------
    dict
        ``seconds``, ``evaluations``, and the ``gap`` of the sum of its values.
    """
    import shap

    regions = [each for each in found.levels[-1] if each.box[0] < each.box[1]]
    calls = 0

    def score(present: Array) -> Array:
        nonlocal calls
        calls += len(present)
        masked = {name: np.repeat(x[None], len(present), axis=0) for name, x in inputs.items()}
        for number, region in enumerate(regions):
            _silence(masked[region.modality], region, ~present[:, number].astype(bool))
        return np.asarray(model(masked))[:, found.target]

    masker = shap.maskers.Independent(np.zeros((1, len(regions))))
    explainer = shap.explainers.Permutation(score, masker, seed=0)
    whole, least = np.ones((1, len(regions))), 2 * len(regions) + 1
    explainer(whole, max_evals=least, silent=True)  # unmeasured: shap and the model are compiled
    calls, start = 0, time.monotonic()
    values = explainer(whole, max_evals=max(found.n_evals, least), silent=True).values[0]
    seconds = time.monotonic() - start
    gap = abs(float(values.sum()) - (found.value - found.base_value))
    return {"seconds": seconds, "evaluations": calls, "gap": gap}


def compare_costs(
    asked: dict[str, tuple[Any, Callable[[Inputs], Any], Inputs, Explanation]],
) -> Any:
    """Time explanations beside shap's of the same regions, by as many evaluations.

    Parameters
    ----------
    asked
        By name: the model, the same as a function over a dict, its inputs, and their explanation.

    Returns
    -------
    pandas.DataFrame
        By model the evaluations and seconds of either.
    """
    rows = []
    for name, (model, score, inputs, found) in asked.items():
        start = time.monotonic()
        explain(model, inputs=inputs, target=found.target, depth=len(found.levels) - 1)
        spent = time.monotonic() - start
        theirs = explain_with_shap(score, inputs, found)
        rows.append((name, found.n_evals, spent, theirs["evaluations"], theirs["seconds"]))
    columns = ["ours, evaluations", "ours, seconds", "shap, evaluations", "shap, seconds"]
    return pd.DataFrame(rows, columns=["model", *columns]).set_index("model")


def _silence(masked: Array, region: Region, absent: Array) -> None:
    """Set a region to zero in the rows in which it is absent."""
    first, end, left, right = region.box
    if masked.ndim == 4:
        masked[absent, first:end, left:right] = 0
    else:
        masked[absent, left:right] = 0
