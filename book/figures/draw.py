"""Draw the diagrams of the pages.

python book/figures/draw.py            writes an SVG for each of them beside this file
"""

import io
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle

from sierlib.colours import BOTH, IMAGE, SPEECH

INK = "#22272e"
PALE = {SPEECH: "#e3f2f6", IMAGE: "#fbeae1", BOTH: "#ece8f5", INK: "#f3f4f6"}
mpl.rcParams.update(
    {
        "svg.fonttype": "none",  # text stays text: it can be searched, copied and read aloud
        "svg.hashsalt": "parallelnet",  # the same file from the same script
        "font.family": ["DejaVu Sans"],
        "mathtext.fontset": "dejavusans",
    }
)


def canvas(width, height):
    """Return axes on a white sheet with rounded corners; a unit is a tenth of an inch."""
    figure = Figure(figsize=(width / 10, height / 10))
    figure.patch.set_alpha(0)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    box = FancyBboxPatch(
        (1, 1),
        width - 2,
        height - 2,
        boxstyle="round,pad=0,rounding_size=1.5",
        fc="white",
        ec="none",
    )
    axes.add_patch(box)
    return figure, axes


def text(axes, x, y, words, colour=INK, size=9.5, **how):
    """Write words, on a page of 672 pixels at least 9 of them high."""
    size = max(size, 9.05 / 672 * 72 * axes.figure.get_figwidth())
    axes.text(
        x, y, words, **{"color": colour, "fontsize": size, "ha": "center", "va": "center", **how}
    )


def box(axes, x, y, width, height, words, colour=INK, size=9.5, note="", pale=True):
    """Draw a box around its middle (x, y), with words and a smaller note below them."""
    corner = (x - width / 2, y - height / 2)
    style = "round,pad=0,rounding_size=0.7"
    face = PALE[colour] if pale else "white"
    axes.add_patch(
        FancyBboxPatch(corner, width, height, boxstyle=style, fc=face, ec=colour, lw=1.3)
    )
    text(axes, x, y + (1.2 if note else 0), words, colour, size, weight="bold")
    if note:
        text(axes, x, y - 1.3, note, INK, 7.6)


def arrow(axes, start, end, colour=INK, label="", bend=0.0):
    style = {
        "arrowstyle": "-|>",
        "color": colour,
        "lw": 1.4,
        "shrinkA": 0,
        "shrinkB": 0,
        "mutation_scale": 11,
    }
    style["connectionstyle"] = f"arc3,rad={bend}"
    axes.annotate("", end, start, arrowprops=style)
    if label:
        text(axes, (start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + 1.1, label, INK, 7.6)


def architecture():
    """Fig. 1: ParallelNet."""
    figure, axes = canvas(106, 55)
    for x, words in ((8.5, "inputs"), (28.5, "N1 and N2"), (49, "intermediate fusion, Eq. 1")):
        text(axes, x, 52, words, size=8.4, style="italic")
    text(axes, 80, 52, "late fusion, Eq. 2", size=8.4, style="italic")

    box(axes, 8.5, 38, 12, 6.5, "speech", SPEECH, note="128 × 128 × 1")
    box(axes, 8.5, 14, 12, 6.5, "image", IMAGE, note="128 × 128 × 3")

    branches = (  # name, middle, colour, note, where its output goes
        ("$N1_s$", 45, SPEECH, "convolutions, max-pool", "s"),
        ("$N2_s$", 35, SPEECH, "1×1 conv, 3 filters; VGG16", "i"),
        ("$N2_i$", 21, IMAGE, "VGG19", "s"),
        ("$N1_i$", 10, IMAGE, "convolutions, max-pool", "i"),
    )
    fused = {"s": (49, 39.5), "i": (49, 14.5)}
    lands = {"$N1_s$": 1.3, "$N2_s$": 1.3, "$N2_i$": -1.3, "$N1_i$": -1.3}
    for name, y, colour, note, goes in branches:
        box(axes, 28.5, y, 21, 6.5, name, colour, 11, note)
        arrow(axes, (14.5, 38 if colour == SPEECH else 14), (18, y), colour)
        x, middle = fused[goes]
        arrow(axes, (39, y), (x - 3.6, middle + lands[name]), colour)
    text(axes, 31, 28, "criss-cross", INK, 8.4, style="italic")
    text(
        axes, 28.5, 4.2, "each also: batch normalisation, flatten, dense", INK, 7.6, style="italic"
    )

    for (x, y), name in zip(fused.values(), ("$F_s$", "$F_i$"), strict=True):
        box(axes, x, y, 7.2, 7, name, BOTH, 11, "Add")
    box(axes, 49, 27, 7.2, 7, "$F_{mul}$", BOTH, 11, "Multiply")
    arrow(axes, (49, 36), (49, 30.5), BOTH)
    arrow(axes, (49, 18), (49, 23.5), BOTH)

    for y, name, weight in (
        (39.5, "$O_{sp}$", "w_1"),
        (27, "$O_{mul}$", "w_3"),
        (14.5, "$O_{img}$", "w_2"),
    ):
        box(axes, 64, y, 13, 6.5, "dense", BOTH, note="1024 → 1024 → 4")
        arrow(axes, (52.6, y), (57.5, y), BOTH)
        arrow(axes, (70.5, y), (81.2, 27 + (y - 27) * 0.13), BOTH)
        text(axes, 72.8, y + (1.7 if y >= 27 else -1.9), name, BOTH, 10.5)
        text(
            axes,
            77.4 if y == 27 else 79.3,
            27 + (y - 27) * 0.42 + (1.6 if y >= 27 else -1.8),
            f"× ${weight}$",
            INK,
            9,
        )
    box(axes, 86, 27, 9.6, 9, "weighted", BOTH, note="addition")
    text(
        axes,
        91,
        15.5,
        "$w_1, w_2, w_3$ are learned; a softmax\nkeeps them positive, their sum 1",
        INK,
        7.6,
    )
    arrow(axes, (90.8, 27), (94, 27), BOTH, "")
    text(axes, 92.3, 29, "$O$", BOTH, 10.5)
    box(axes, 99, 27, 10, 9, "softmax", INK, note="$\\hat{y}$: 4 classes")
    return figure


def divide():
    """Fig. 2: divide and conquer, first between the modalities and then inside each of them."""
    figure, axes = canvas(96, 58)
    text(axes, 6.5, 52, "whole\ninput", size=8.4, style="italic")
    text(axes, 6.5, 40, "modalities", size=8.4, style="italic")
    text(axes, 6.5, 27.5, "first\nhalving", size=8.4, style="italic")
    text(axes, 6.5, 13.5, "second\nhalving", size=8.4, style="italic")
    box(
        axes,
        53,
        52,
        50,
        5,
        "f(speech, image) − f(silence, black) = S(speech) + S(image)",
        BOTH,
        9.2,
    )

    def strip(x, y, width, height, keep, colour, parts):
        """Draw an input cut into parts; those kept are filled, the others are the baseline."""
        columns, rows = parts
        for cell in range(columns * rows):
            corner = (
                x + cell % columns * width / columns,
                y + (rows - 1 - cell // columns) * height / rows,
            )
            face = PALE[colour] if cell in keep else "#3a3f47"
            axes.add_patch(
                Rectangle(corner, width / columns, height / rows, fc=face, ec=colour, lw=1.1)
            )

    for side, (middle, colour, name) in enumerate(((32, SPEECH, "speech"), (74, IMAGE, "image"))):
        arrow(axes, (53 + (-8 if side == 0 else 8), 49.4), (middle, 43.6), BOTH)
        strip(middle - 5, 36.5, 10, 7, {0}, colour, (1, 1))
        text(axes, middle, 40, f"S({name})", colour, 9.2, weight="bold")
        for half in range(2):
            x = middle + (-10 if half == 0 else 10)
            arrow(axes, (middle + (-2 if half == 0 else 2), 36.5), (x, 31.3), colour)
            parts = (2, 1)
            strip(x - 5, 24, 10, 7, {half}, colour, parts)
            text(axes, x - 2.5 + 5 * half, 27.5, f"S({'ab'[half]})", colour, 8.8, weight="bold")
            for quarter in range(2):
                place = x + (-5 if quarter == 0 else 5)
                arrow(axes, (x - 2.5 + 5 * half, 24), (place, 17.3), colour)
                if name == "speech":
                    strip(place - 4.3, 10, 8.6, 7, {2 * half + quarter}, colour, (4, 1))
                else:
                    strip(place - 4.3, 10, 8.6, 7, {2 * quarter + half}, colour, (2, 2))
    text(
        axes,
        32,
        6.6,
        "time is halved, then each half again:\nin the end the value of each moment",
        SPEECH,
        7.8,
    )
    text(
        axes, 74, 6.6, "the longer side is halved:\nin the end the value of each region", IMAGE, 7.8
    )
    text(axes, 53, 33.8, "at each cut,\nS(a) + S(b) = S(whole)\n(Eq. 5)", INK, 8)
    text(axes, 53, 2.6, "dark: set to zero, silence or black", INK, 7.8)
    return figure


def labelling():
    """Section 3.1: how a pair gets its label."""
    figure, axes = canvas(106, 38)
    box(axes, 10, 19, 16.8, 8, "B-T4SA", INK, note="text and photograph")
    box(axes, 29, 28, 14, 7, "speak", SPEECH, note="text-to-speech")
    box(axes, 29, 10, 14, 7, "photograph", IMAGE)
    box(axes, 50, 28, 17, 7, "speech teacher", SPEECH, note="trained on IEMOCAP")
    box(axes, 50, 10, 17, 7, "image teacher", IMAGE, note="trained on FI")
    arrow(axes, (18.4, 20.5), (22, 27), SPEECH)
    arrow(axes, (18.4, 17.5), (22, 11), IMAGE)
    arrow(axes, (36, 28), (41.5, 28), SPEECH)
    arrow(axes, (36, 10), (41.5, 10), IMAGE)
    text(axes, 19, 34.5, "corrupt and duplicate samples removed", INK, 7.8, style="italic")
    diamond = Polygon(
        [(72, 26), (82, 19), (72, 12), (62, 19)], closed=True, fc=PALE[BOTH], ec=BOTH, lw=1.3
    )
    axes.add_patch(diamond)
    text(axes, 72, 20.2, "the higher of", BOTH, 8.2, weight="bold")
    text(axes, 72, 17.6, "$max_1$ and $max_2$", BOTH, 8.6)
    arrow(axes, (58.5, 28), (67, 22.8), SPEECH)
    arrow(axes, (58.5, 10), (67, 15.2), IMAGE)
    text(axes, 65, 28, "$max_1$", SPEECH, 9.5)
    text(axes, 65, 10, "$max_2$", IMAGE, 9.5)
    box(axes, 95, 27, 17, 8, "label", BOTH, note="that teacher's class")
    box(axes, 95, 10, 17, 8, "discarded", INK, note="neither is sure", pale=False)
    arrow(axes, (77.5, 22.6), (86.5, 27), BOTH)
    arrow(axes, (77.5, 15.4), (86.5, 10), INK)
    text(axes, 80, 27, "≥ 0.5", INK, 8.6)
    text(axes, 80, 10.8, "< 0.5", INK, 8.6)
    text(axes, 90, 34.5, "excitement → happy, disgust → hate", INK, 7.8, style="italic")
    text(axes, 50, 3.6, "four probabilities: anger, happy, hate, sad", INK, 7.8, style="italic")
    return figure


def configurations():
    """Where the criss-cross is in the three configurations of Section 4.3.2."""
    figure, axes = canvas(112, 44)
    for number, left in ((1, 2), (2, 39), (3, 76)):
        text(axes, left + 17, 40.5, f"Configuration {number}", size=10, weight="bold")
        rows = {"s": (30, SPEECH, "speech"), "i": (11, IMAGE, "image")}
        other = {"s": "i", "i": "s"}
        for letter, (y, colour, word) in rows.items():
            box(axes, left + 3.8, y, 7.4, 4.2, word, colour, 8.2)
            box(axes, left + 20, y, 6, 4.2, f"$N2_{letter}$", colour, 9.5)
            box(axes, left + 31, y, 5, 4.2, f"$F_{other[letter]}$", BOTH, 9.5)
            arrow(axes, (left + 23, y), (left + 28.5, y), colour)
            up = 1 if letter == "s" else -1  # N1 is drawn on the side of its own modality
            there = rows[other[letter]][0]
            if number == 3:
                arrow(axes, (left + 7.3, y), (left + 17, y), colour)
            else:  # N1 of the other modality joins the input of N2
                axes.text(
                    left + 13,
                    y,
                    "+",
                    fontsize=12,
                    ha="center",
                    va="center",
                    color=BOTH,
                    weight="bold",
                )
                arrow(axes, (left + 7.3, y), (left + 12, y), colour)
                arrow(axes, (left + 14, y), (left + 17, y), BOTH)
                middle = y - 6 * up
                box(axes, left + 4, middle, 5.6, 3.6, f"$N1_{letter}$", colour, 8.6)
                arrow(axes, (left + 4, y - 2.1 * up), (left + 4, middle + 1.8 * up), colour)
                arrow(axes, (left + 6.8, middle), (left + 13, there + 1.6 * up), colour)
            if number != 2:  # N1 joins what N2 of the other modality gives
                outer = y + 6 * up
                box(axes, left + 20, outer, 6, 3.6, f"$N1_{letter}$", colour, 8.6)
                arrow(axes, (left + 5.5, y + 2.1 * up), (left + 17, outer), colour)
                end = (left + 30, there + 2.1 * up)
                arrow(axes, (left + 23, outer), end, colour, bend=-0.12 * up)
    text(
        axes,
        56,
        2.6,
        "after this all three go on as in Fig. 1: $F_{mul}$, dense layers, weighted addition",
        size=8,
    )
    return figure


if __name__ == "__main__":
    for draw in (architecture, configurations, divide, labelling):
        sheet = io.StringIO()
        draw().savefig(sheet, format="svg", metadata={"Date": None, "Title": draw.__doc__})
        # Fonts of about the same width, for readers without the first.
        svg = sheet.getvalue().replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
        path = Path(__file__).with_name(f"{draw.__name__}.svg")
        path.write_text(svg, encoding="utf-8")
        print(path)
