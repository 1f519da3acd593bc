"""The shapes that the embedded corpus draws: faces, figures and things, each a list of strokes.

Every shape lives in a unit square of its own, x to the right and y down, from -1 to 1 and a little
beyond; so its box is known without drawing it. Points are written as SVG writes them: "x,y x,y".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # (n, 2)

FILL, SECOND, INK, PAPER = range(4)  # places in an element's list of colours
EDGE = 0.08  # width of an outline, in units of the shape


class Stroke(NamedTuple):
    """One polygon (width 0) or line (width above 0) of a shape."""

    points: Points
    colour: int
    width: float
    edge: bool


Shape = list[Stroke]


# --------------------------------------------------------------------------------------- strokes
def _points(text: str) -> Points:
    return np.array(text.replace(",", " ").split(), float).reshape(-1, 2)


def _fill(outline: str | Points, colour: int = FILL, edge: bool = True) -> Stroke:
    points = _points(outline) if isinstance(outline, str) else outline
    return Stroke(points, colour, 0.0, edge)


def _line(
    course: str | Points, width: float = 0.1, colour: int = INK, edge: bool = False
) -> Stroke:
    points = _points(course) if isinstance(course, str) else course
    return Stroke(points, colour, width, edge)


def _mirror(stroke: Stroke) -> Shape:
    """Return a stroke's mirror image and the stroke: what is on the left, and on the right."""
    return [stroke._replace(points=stroke.points * (-1, 1)), stroke]


# -------------------------------------------------------------------------------------- outlines
def _arc(
    x: float, y: float, rx: float, ry: float | None = None, start: float = 0, stop: float = 360
) -> Points:
    """Return points on an ellipse; degrees run clockwise from the right, as y points down."""
    ry = rx if ry is None else ry
    span = abs(stop - start)
    steps = max(6, round(span / 15))
    angle = np.radians(np.linspace(start, stop, steps, endpoint=span < 360))
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


def _box(x0: float, y0: float, x1: float, y1: float) -> Points:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float)


def _smooth(outline: str | Points) -> Points:
    """Cut the corners of a closed polygon, twice (Chaikin)."""
    corners = _points(outline) if isinstance(outline, str) else outline
    for _ in range(2):
        after = np.roll(corners, -1, axis=0)
        near = 0.75 * corners + 0.25 * after
        far = 0.25 * corners + 0.75 * after
        corners = np.stack([near, far], axis=1).reshape(-1, 2)
    return corners


def _star(x: float, y: float, n: int, outer: float, inner: float) -> Points:
    angle = np.arange(2 * n) * np.pi / n
    radius = np.resize([outer, inner, 0.8 * outer, inner], 2 * n)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def _heart(scale: float) -> Points:
    t = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16
    return scale * np.stack([np.sin(t) ** 3, y], axis=1)


# ------------------------------------------------------------------------------- parts of shapes
def _drop(x: float, y: float, size: float, colour: int = FILL) -> Stroke:
    """Return a drop that hangs from its tip."""
    belly = _arc(x, y + 1.35 * size, 0.6 * size, None, -25, 205)
    return _fill(np.vstack([(x, y), belly]), colour)


def _cross(
    x: float, y: float, r: float, width: float, colour: int = INK, edge: bool = False
) -> Shape:
    falling = np.array([(x - r, y - r), (x + r, y + r)], float)
    rising = np.array([(x + r, y - r), (x - r, y + r)], float)
    return [_line(rising, width, colour, edge), _line(falling, width, colour, edge)]


def _cloud(x: float, y: float, size: float) -> Shape:
    parts = [
        _arc(x - 0.5 * size, y, 0.42 * size),
        _arc(x + 0.5 * size, y, 0.45 * size),
        _arc(x, y - 0.3 * size, 0.52 * size),
        _box(x - 0.5 * size, y - 0.1, x + 0.5 * size, y + 0.4 * size),
    ]
    # All outlines first, so that they show only around the whole cloud.
    outlines = [_fill(part) for part in parts]
    return outlines + [stroke._replace(edge=False) for stroke in outlines]


def _rays(n: int) -> Shape:
    angles = np.arange(n) * 2 * np.pi / n
    along = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    across = 0.15 * np.stack([-np.sin(angles), np.cos(angles)], axis=1)
    rays = np.stack([0.62 * along + across, along, 0.62 * along - across], axis=1)  # (n, 3, 2)
    return [_fill(ray, SECOND) for ray in rays]


def _petals(x: float, y: float, r: float, n: int) -> Shape:
    angles = np.arange(n) * 2 * np.pi / n
    petals = [_fill(_arc(x + r * np.cos(a), y + r * np.sin(a), 0.6 * r), SECOND) for a in angles]
    return [*petals, _fill(_arc(x, y, 0.6 * r), PAPER)]


# ---------------------------------------------------------------------------------------- people
HEAD = _fill(_arc(0, 0, 0.9, 0.95))
EYES = [
    _fill(_arc(-0.38, -0.15, 0.2), PAPER),
    _fill(_arc(0.38, -0.15, 0.2), PAPER),
    _fill(_arc(-0.38, -0.12, 0.1), INK, False),
    _fill(_arc(0.38, -0.12, 0.1), INK, False),
]

#: What shows a mood in a face: brows, eyes, mouth.
FACES: dict[str | None, Shape] = {
    None: [HEAD, *EYES, _line("-0.3,0.5 0.3,0.5")],
    "anger": [
        _fill(_star(0, 0, 12, 1.3, 0.85), SECOND),
        HEAD,
        *EYES,
        _fill(_box(-0.55, 0.28, 0.55, 0.68), PAPER),
        _line("-0.5,0.6 -0.3,0.35 -0.1,0.6 0.1,0.35 0.3,0.6 0.5,0.35"),
        *_mirror(_line("0.12,-0.2 0.65,-0.6", 0.2)),
    ],
    "happy": [
        HEAD,
        _line(_arc(-0.38, -0.1, 0.2, 0.25, 180, 360), 0.13),
        _line(_arc(0.38, -0.1, 0.2, 0.25, 180, 360), 0.13),
        _fill(_arc(0, 0.15, 0.6, 0.6, 0, 180), PAPER),
    ],
    "hate": [
        HEAD,
        *_mirror(_line("0.65,-0.45 0.2,-0.2 0.65,0.05", 0.13)),
        _line("-0.55,0.45 -0.2,0.32 0.15,0.45 0.5,0.35", 0.13),
        _fill(_smooth("-0.05,0.4 0.4,0.4 0.45,1.05 -0.05,1.05"), SECOND),
    ],
    "sad": [
        HEAD,
        *EYES,
        *_mirror(_line("0.15,-0.65 0.65,-0.4", 0.13)),
        _line(_arc(0, 0.8, 0.3, 0.35, 190, 350), 0.14),
        _drop(-0.5, 0.0, 0.4, PAPER),
        _drop(0.5, 0.0, 0.4, PAPER),
    ],
}

#: Joints of a figure: head, neck, hip; elbow and hand of both arms; knee and foot of both legs.
POSES: dict[str | None, tuple[str, str, str]] = {
    None: (
        "0,-0.78 0,-0.5 0,0.15",
        "-0.24,-0.15 -0.26,0.2 0.24,-0.15 0.26,0.2",
        "-0.14,0.55 -0.15,1 0.14,0.55 0.15,1",
    ),
    "anger": (
        "0,-0.6 0,-0.3 0,0.25",
        "-0.62,-0.2 -0.7,-0.75 0.62,-0.2 0.7,-0.75",
        "-0.4,0.5 -0.55,1 0.4,0.5 0.55,1",
    ),
    "happy": (
        "0,-0.5 0,-0.22 0,0.35",
        "-0.35,-0.55 -0.62,-0.95 0.35,-0.55 0.62,-0.95",
        "-0.5,0.5 -0.45,0.95 0.5,0.5 0.9,0.75",
    ),
    "hate": (
        "-0.5,-0.6 -0.4,-0.35 -0.2,0.25",
        "0,-0.45 0.45,-0.5 0,-0.1 0.45,-0.1",
        "-0.4,0.6 -0.55,1 0.05,0.6 0,1",
    ),
    "sad": (
        "0.15,0.1 -0.1,0.2 -0.4,0.85",
        "0.1,0.5 0.45,0.6 0,0.55 0.35,0.7",
        "0.3,0.3 0.5,0.95 0.15,0.35 0.35,0.95",
    ),
}

#: What a figure carries or stands under, as comics do.
SIGNS: dict[str | None, Shape] = {
    None: [],
    "anger": [_fill(_star(0, -0.65, 10, 0.75, 0.42), PAPER)],
    "happy": [
        _line("0.62,-0.95 0.62,-1.1"),
        _fill(_arc(0.62, -1.4, 0.34, 0.4)),
        *_petals(-0.62, -1.1, 0.24, 6),
    ],
    "hate": [_fill(_box(0.3, -0.75, 1.05, 0.1), PAPER), *_cross(0.68, -0.33, 0.24, 0.14)],
    "sad": [
        *_cloud(0.1, -0.85, 0.8),
        _drop(-0.4, -0.45, 0.28, SECOND),
        _drop(0.2, -0.45, 0.28, SECOND),
        _drop(0.7, -0.45, 0.28, SECOND),
    ],
}


def _figure(mood: str | None) -> Shape:
    """Draw a person of sticks, from the sign behind to the head in front."""
    (head_x, head_y), neck, hip = _points(POSES[mood][0])
    arms, legs = _points(POSES[mood][1]), _points(POSES[mood][2])
    return [
        *SIGNS[mood],
        _line(np.vstack([hip, legs[:2]]), 0.17, SECOND, True),
        _line(np.vstack([hip, legs[2:]]), 0.17, SECOND, True),
        _line(np.vstack([neck, hip]), 0.3, FILL, True),
        _line(np.vstack([neck, arms[:2]]), 0.14, FILL, True),
        _line(np.vstack([neck, arms[2:]]), 0.14, FILL, True),
        _fill(_arc(head_x, head_y, 0.23), PAPER),
    ]


# ---------------------------------------------------------------------------------------- things
def _flame(scale: float, y: float, colour: int) -> Stroke:
    outline = _points(
        "0,1 -0.6,0.8 -0.75,0.25 -0.6,-0.6 -0.3,0.05 0,-1.2 0.25,-0.15 0.5,-0.8 0.75,0.2 0.6,0.8"
    )
    return _fill(_smooth(scale * outline + (0, y)), colour)


def _broken_heart() -> Shape:
    """Draw two halves of a heart, drawn apart along a crack."""
    crack = _points("0,-0.3 0.15,-0.05 -0.15,0.25 0.15,0.55 0,1")
    heart = _heart(0.95)
    left = np.concatenate([heart[15:0:-1], crack]) + (0.16, 0)
    right = np.concatenate([heart[17:], crack]) - (0.16, 0)
    return [_fill(left), _fill(right)]


#: The things that carry each emotion, and under None what is merely there.
THINGS: dict[str | None, dict[str, Shape]] = {
    "anger": {
        "flame": [_flame(1.0, 0.0, FILL), _flame(0.5, 0.42, SECOND)],
        "lightning": [_fill("0.1,-1 -0.6,0.15 -0.1,0.15 -0.4,1 0.6,-0.25 0.1,-0.25 0.6,-1")],
        "explosion": [_fill(_star(0, 0, 10, 1, 0.55)), _fill(_star(0, 0, 10, 0.6, 0.3), SECOND)],
        "bomb": [
            _line("0.35,-0.35 0.5,-0.7 0.75,-0.75", 0.12),
            _fill(_arc(-0.1, 0.25, 0.75)),
            _fill(_star(0.75, -0.75, 8, 0.48, 0.22), SECOND),
            _line(_arc(-0.1, 0.25, 0.48, None, 190, 250), 0.1, PAPER),
        ],
    },
    "happy": {
        "sun": [
            *_rays(10),
            _fill(_arc(0, 0, 0.52)),
            _line(_arc(0, 0.0, 0.3, 0.3, 20, 160), 0.1),
        ],
        "flower": [
            _line("0,0 0,1.1", 0.12, FILL, True),
            *_petals(0, -0.35, 0.45, 6),
            _fill(_smooth("0,0.75 0.25,0.35 0.6,0.3 0.45,0.65")),
        ],
        "balloons": [
            _line("-0.4,0 0,1.1 0.4,0", 0.06),
            _fill(_arc(-0.45, -0.25, 0.42, 0.5), FILL),
            _fill(_arc(0.45, -0.2, 0.42, 0.5), SECOND),
            _fill(_arc(0, -0.55, 0.42, 0.5), PAPER),
        ],
        "gift": [
            _fill(_box(-0.75, -0.2, 0.75, 0.85)),
            _fill(_box(-0.85, -0.5, 0.85, -0.15)),
            _fill(_box(-0.18, -0.5, 0.18, 0.85), SECOND),
            *_mirror(_fill(_smooth("0,-0.5 0.55,-1.1 0.7,-0.45"), SECOND)),
        ],
    },
    "hate": {
        "skull": [
            *_cross(0, 0.45, 0.6, 0.2, PAPER, True),
            _fill(_box(-0.35, 0.0, 0.35, 0.55), PAPER),
            _fill(_arc(0, -0.35, 0.7, 0.6), PAPER),
            _fill(_arc(-0.3, -0.3, 0.2), INK, False),
            _fill(_arc(0.3, -0.3, 0.2), INK, False),
            *_mirror(_line("0.12,0.25 0.12,0.55", 0.08)),
        ],
        "crossed heart": [_fill(_heart(0.95)), *_cross(0, 0, 0.75, 0.22, SECOND, True)],
        "poison": [
            _fill(_box(-0.24, -1, 0.24, -0.65), SECOND),
            _fill(
                _smooth(
                    "-0.25,-0.7 0.25,-0.7 0.25,-0.3 0.8,0 0.8,1 -0.8,1 -0.8,0 -0.25,-0.3",
                )
            ),
            _fill(_box(-0.5, -0.05, 0.5, 0.85), PAPER),
            *_cross(0, 0.4, 0.3, 0.17),
        ],
        "thumb down": [
            _fill(_box(-1, -0.7, -0.55, 0.3), SECOND),
            _fill(_smooth("-0.4,0 0.1,0 0.05,0.6 0.15,1.2 -0.35,1.2 -0.5,0.3")),
            _fill(_box(-0.6, -0.75, 0.2, 0.3)),
            *(_fill(_smooth(_box(-0.1, y, 0.8, y + 0.36))) for y in (-0.75, -0.47, -0.19, 0.09)),
        ],
    },
    "sad": {
        "rain cloud": [
            *_cloud(0, -0.4, 0.95),
            _drop(-0.6, 0.15, 0.4, SECOND),
            _drop(0, 0.3, 0.4, SECOND),
            _drop(0.6, 0.15, 0.4, SECOND),
        ],
        "tears": [
            _drop(-0.1, -1, 0.8),
            _drop(0.55, -0.75, 0.45, SECOND),
            _drop(0.5, 0.2, 0.45, PAPER),
        ],
        "broken heart": _broken_heart(),
        "wilted flower": [
            _line(
                np.vstack([(-0.35, 1.1), _arc(0.08, -0.35, 0.42, 0.5, 185, 355)]), 0.12, FILL, True
            ),
            _fill(_arc(0.28, 0.3, 0.17, 0.34), SECOND),
            _fill(_arc(0.72, 0.3, 0.17, 0.34), SECOND),
            _fill(_arc(0.5, 0.3, 0.17, 0.34), SECOND),
            _fill(_arc(0.5, 0.0, 0.3, 0.2)),
            _drop(0.3, 0.72, 0.25, SECOND),
            _drop(0.75, 0.72, 0.25, SECOND),
        ],
    },
    None: {
        "crate": [_fill(_box(-0.9, -0.7, 0.9, 0.8)), _line("-0.9,0 0.9,0")],
        "tree": [_fill(_box(-0.13, 0.1, 0.13, 1), SECOND), _fill(_arc(0, -0.35, 0.6, 0.65))],
        "cup": [
            _line(_arc(0.55, 0, 0.35, None, -90, 90), 0.12, FILL, True),
            _fill("-0.65,-0.6 0.6,-0.6 0.5,0.7 -0.5,0.7"),
        ],
        "house": [
            _fill(_box(-0.7, -0.1, 0.7, 0.9)),
            _fill("-0.9,-0.1 0,-0.9 0.9,-0.1", SECOND),
            _fill(_box(-0.2, 0.35, 0.15, 0.9), PAPER),
        ],
        "ball": [_fill(_arc(0, 0, 1))],
        "car": [
            _fill("-0.55,0 -0.35,-0.5 0.4,-0.5 0.6,0", PAPER),
            _fill(_box(-1, -0.05, 1, 0.45)),
            _fill(_arc(-0.5, 0.45, 0.23), INK, False),
            _fill(_arc(0.5, 0.45, 0.23), INK, False),
        ],
        "signpost": [
            _fill(_box(-0.07, 0, 0.07, 1), SECOND),
            _fill("-0.7,-0.8 0.8,-0.8 0.8,0 -0.7,0"),
        ],
        "cloud": _cloud(0, 0, 1),
    },
}

#: All that can be drawn, by the emotion it carries and then by name; people come last.
KINDS: dict[str | None, dict[str, Shape]] = {
    mood: {**THINGS[mood], "face": FACES[mood], "figure": _figure(mood)} for mood in POSES
}
