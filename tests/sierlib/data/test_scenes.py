"""The drawn pictures: what is said about a scene is what is seen in it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sierlib import settings
from sierlib.data.corpora.embedded import scenes, shapes

SEEDS = st.integers(0, 2**31)
EMOTIONS = st.sampled_from(settings.CLASSES)


def _touched(first: np.ndarray, second: np.ndarray) -> list[int]:
    """Return the box of the pixels in which two pictures differ."""
    rows, columns = np.nonzero((first != second).any(axis=2))
    return [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]


def _without(scene: dict[str, Any], element: dict[str, Any]) -> dict[str, Any]:
    return scene | {"elements": [e for e in scene["elements"] if e is not element]}


@hypothesis_settings(max_examples=40, deadline=None)
@given(seed=SEEDS, emotion=EMOTIONS, strength=st.sampled_from([1, 2]), other=EMOTIONS)
def test_boxes_hold_all_that_is_drawn_and_hardly_more(
    seed: int, emotion: str, strength: int, other: str
) -> None:
    scene = scenes.compose(
        np.random.default_rng(seed), emotion, strength, other if other != emotion else None
    )
    picture = scenes.draw(scene)
    for element in scene["elements"]:
        x0, y0, x1, y1 = element["box"]
        assert 0 <= x0 < x1 <= settings.SIZE and 0 <= y0 < y1 <= settings.SIZE
        if element["role"] == "clutter":
            continue
        touched = _touched(picture, scenes.draw(_without(scene, element)))
        assert x0 <= touched[0] and y0 <= touched[1] and touched[2] <= x1 and touched[3] <= y1
        assert max(np.abs(np.subtract(touched, element["box"]))) <= 3
        alone = scenes.draw(scene | {"elements": [element]})
        np.testing.assert_array_equal(alone[y0:y1, x0:x1], picture[y0:y1, x0:x1])


@hypothesis_settings(max_examples=40, deadline=None)
@given(seed=SEEDS, emotion=EMOTIONS)
def test_strength_sets_number_and_size(seed: int, emotion: str) -> None:
    def sides(strength: int) -> list[int]:
        boxes = scenes.emotion_boxes(scenes.compose(np.random.default_rng(seed), emotion, strength))
        return [max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes]

    assert sides(0) == []
    assert len(sides(1)) == 1 and scenes.WEAK[0] <= sides(1)[0] <= scenes.WEAK[1] + 2
    assert 1 <= len(sides(2)) <= 3
    assert all(scenes.STRONG_SEVERAL[0] <= side <= scenes.STRONG_ONE[1] + 2 for side in sides(2))


@hypothesis_settings(max_examples=20, deadline=None)
@given(seed=SEEDS, emotion=st.none() | EMOTIONS, strength=st.integers(0, 2))
def test_a_scene_survives_json_and_is_drawn_the_same_again(
    seed: int, emotion: str | None, strength: int
) -> None:
    scene = scenes.compose(np.random.default_rng(seed), emotion, strength)
    picture = scenes.draw(scene)
    assert picture.shape == (settings.SIZE, settings.SIZE, 3) and picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, scenes.draw(json.loads(json.dumps(scene))))
    assert scene == scenes.compose(np.random.default_rng(seed), emotion, strength)


def test_a_distractor_is_smaller_and_apart() -> None:
    scene = scenes.compose(np.random.default_rng(3), "sad", 1, "happy")
    roles = {e["role"]: e for e in scene["elements"]}
    assert (roles["emotion"]["emotion"], roles["distractor"]["emotion"]) == ("sad", "happy")
    assert roles["distractor"]["scale"] < roles["emotion"]["scale"]
    assert scenes.emotion_boxes(scene) == [roles["emotion"]["box"]]


def test_a_neutral_picture_has_no_emotion() -> None:
    for emotion, strength in ((None, 0), (None, 2), ("anger", 0)):
        scene = scenes.compose(np.random.default_rng(1), emotion, strength, "happy")
        assert {e["emotion"] for e in scene["elements"]} <= {None}


def test_every_class_has_people_and_things() -> None:
    assert set(shapes.KINDS) == {None, *settings.CLASSES}
    for emotion in settings.CLASSES:
        kinds = shapes.KINDS[emotion]
        rng = np.random.default_rng(0)
        drawn = {
            e["kind"]
            for _ in range(100)
            for e in scenes.compose(rng, emotion, 1)["elements"]
            if e["emotion"]
        }
        assert {"face", "figure"} < drawn == set(kinds) and len(kinds) >= 5


@pytest.mark.parametrize("count", [3, 4, 5])
def test_of_fewer_shapes_people_are_always_some(count: int) -> None:
    rng = np.random.default_rng(0)
    drawn: dict[str | None, set[str]] = {"sad": set(), "happy": set(), None: set()}
    for _ in range(300):
        for element in scenes.compose(rng, "sad", 1, "happy", shapes=count)["elements"]:
            drawn[element["emotion"]].add(element["kind"])
    assert {"face", "figure"} < drawn["sad"] < set(shapes.KINDS["sad"])
    assert len(drawn["sad"]) == len(drawn["happy"]) == count
    assert drawn[None] == set(shapes.KINDS[None])  # clutter says nothing, so all of it is drawn


def test_colours_and_backgrounds_do_not_tell_the_class() -> None:
    grounds, means = [], []
    for emotion in settings.CLASSES:
        made = [scenes.compose(np.random.default_rng(seed), emotion, 1) for seed in range(150)]
        grounds.append([scene["background"] for scene in made])
        means.append(
            np.mean(
                [e["colours"] for scene in made for e in scene["elements"] if e["emotion"]], axis=0
            )
        )
    assert all(ground == grounds[0] for ground in grounds)
    assert np.ptp(means, axis=0).max() < 20  # of 255


def test_other_sizes_show_the_same_scene() -> None:
    scene = scenes.compose(np.random.default_rng(5), "hate", 2)
    large = scenes.draw(scene, 256)
    assert large.shape == (256, 256, 3)
    shrunk = large.reshape(128, 2, 128, 2, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - scenes.draw(scene)).mean() < 8


@pytest.mark.parametrize(
    ("emotion", "strength", "distractor"),
    [("joy", 1, None), ("sad", 3, None), ("sad", 1, "fear"), ("sad", 1, "sad")],
)
def test_unknown_classes_and_strengths_are_refused(
    emotion: str, strength: int, distractor: str | None
) -> None:
    with pytest.raises(ValueError, match="expected"):
        scenes.compose(np.random.default_rng(0), emotion, strength, distractor)
