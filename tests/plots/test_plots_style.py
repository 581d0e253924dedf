"""Colours and names: fixed by name, told apart by everyone, safe in legends."""

from dataclasses import replace
from itertools import combinations, permutations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from learnability.plots.legends import LONGEST_LABEL, keys, label
from learnability.plots.style import (
    FARTHEST,
    INKS,
    KNOWN,
    PALETTE,
    current_theme,
    figure,
    style_sheet,
    styles,
    theme,
    variables,
)

# Machado, Oliveira and Fernandes 2009, IEEE Trans. Vis. Comput. Graph. 15, 1291:
# what is left of linear RGB for people without one kind of cone.
SIGHT = {
    "all cones": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def linear(colour: str) -> np.ndarray:
    c = np.array(to_rgb(colour))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Ottosson 2020: distances in OKLab are about those that people see."""
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return lab @ np.cbrt(cones @ np.clip(rgb, 0, 1))


def contrast(one: str, other: str) -> float:
    light = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other))
    return (light[1] + 0.05) / (light[0] + 0.05)


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("sight", SIGHT)
def test_architectures_are_told_apart_by_every_sight(look, sight):
    own = PALETTE[look][: len(KNOWN)]
    seen = [oklab(SIGHT[sight] @ linear(colour)) for colour in own]
    # 0.02 is a just noticeable difference; lines are thin and far apart.
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 0.14


@pytest.mark.parametrize("look", ["light", "dark"])
def test_everything_stands_out_from_the_paper(look):
    paper, text, quiet, _ = INKS[look]
    assert min(contrast(colour, paper) for colour in PALETTE[look]) > 4.5
    assert contrast(text, paper) > 7
    assert contrast(quiet, paper) > 4.5


def test_order_changes_neither_colours_nor_markers():
    names = ("LSTM", "my net", "GRU", "another")
    first = styles(names)
    for order in permutations(names):
        for name, style in styles(order).items():
            assert replace(style, member=first[name].member) == first[name]
            assert order[style.member] == name


def test_cells_differ_in_grey_by_mark_and_by_dash():
    found = styles(KNOWN).values()
    assert len({s.marker for s in found}) == len({str(s.dash) for s in found}) == 5


def test_a_page_knows_every_colour_by_name_in_light_and_dark():
    names = variables()
    assert len(names) == len(INKS["light"]) + len(PALETTE["light"])
    light, dark = style_sheet().splitlines()
    for name, one, other in zip(
        names.values(),
        [*INKS["light"], *PALETTE["light"]],
        [*INKS["dark"], *PALETTE["dark"]],
        strict=True,
    ):
        assert f"--{name}: {one.lower()};" in light
        assert f"--{name}: {other.lower()};" in dark


def test_a_cell_of_the_package_keeps_its_colour_in_any_company():
    alone = styles(["GRU"])["GRU"]
    among = styles(["LSTM", "x", "GRU", "y", "ConstGate"])["GRU"]
    assert (alone.colour, alone.marker) == (among.colour, among.marker)


def test_many_strangers_differ_in_colour_or_marker():
    found = styles([f"network {i}" for i in range(30)])
    looks = {(s.colour, s.marker) for s in found.values()}
    assert len(looks) == 30
    asides = [s.aside for s in found.values()]
    assert len(set(asides)) == 30
    assert max(asides) - min(asides) <= FARTHEST


def test_a_theme_ends_where_its_context_ends():
    before = dict(mpl.rcParams)
    with theme("dark"):
        assert current_theme() == "dark"
        assert styles(["GRU"])["GRU"].colour in PALETTE["dark"]
    assert dict(mpl.rcParams) == before


def test_a_caller_s_own_parameters_do_not_reach_the_figures():
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9}), theme("light"):
        assert mpl.rcParams["font.size"] == 8
        assert mpl.rcParams["lines.linewidth"] < 2


def test_a_caller_with_dark_figures_gets_the_dark_palette():
    with mpl.rc_context({"figure.facecolor": "black"}):
        assert styles(["GRU"])["GRU"].colour in PALETTE["dark"]
    with mpl.rc_context({"figure.facecolor": "none"}):
        assert styles(["GRU"])["GRU"].colour in PALETTE["light"]


@pytest.mark.parametrize("wrong", ["", "sepia"])
def test_an_unknown_theme_is_refused(wrong):
    with pytest.raises(ValueError, match="no theme"), theme(wrong):
        pass


def test_labels_are_short_and_free_of_markup():
    assert len(label("x" * 200)) == LONGEST_LABEL
    assert label("a\nb") == "a b"
    assert "$" not in label("$x$").replace(r"\$", "")
    assert not label("_hidden").startswith("_")


def test_panels_stack_where_the_figure_is_narrow():
    wide, _ = figure(3, width=7.0)
    narrow, panels = figure(3, width=3.4)
    assert isinstance(wide, Figure)
    assert len(panels) == 3
    assert narrow.get_figheight() > wide.get_figheight()
    rows = {ax.get_subplotspec().rowspan.start for ax in panels}
    assert rows == {0, 1, 2}


@pytest.mark.parametrize(("panels", "width"), [(0, 7.0), (1, 0.0), (1, -2.0)])
def test_figures_without_room_are_refused(panels, width):
    with pytest.raises(ValueError, match="panel"):
        figure(panels, width=width)


def test_a_cell_keeps_its_colour_and_an_optimizer_its_marker():
    names = [f"{cell}, {by}" for cell in ("GRU", "LSTM") for by in ("adamw", "sgd")]
    found = styles(names)
    for cell in ("GRU", "LSTM"):
        own = {found[f"{cell}, {by}"].colour for by in ("adamw", "sgd")}
        assert own == {styles([cell])[cell].colour}
    for by in ("adamw", "sgd"):
        assert found[f"GRU, {by}"].marker == found[f"LSTM, {by}"].marker
    assert found["GRU, adamw"].marker != found["GRU, sgd"].marker


def test_lines_of_one_colour_differ_in_mark_and_dash():
    names = [f"{cell}, {by}" for cell in KNOWN for by in ("adamw", "sgd", "rmsprop")]
    found = styles(names)
    for cell in KNOWN:
        own = [s for s in found.values() if s.cell == cell]
        assert len({str(s.dash) for s in own}) == len({s.marker for s in own}) == 3


def test_studies_of_one_cell_share_its_colour():
    found = styles(["A: GRU, sgd", "B: GRU, sgd", "A: LSTM, sgd"])
    assert found["A: GRU, sgd"].colour == styles(["GRU"])["GRU"].colour
    assert found["A: GRU, sgd"].colour == found["B: GRU, sgd"].colour
    assert found["A: GRU, sgd"].marker == found["A: LSTM, sgd"].marker
    assert found["A: GRU, sgd"].marker != found["B: GRU, sgd"].marker
    assert styles(["my: net"])["my: net"].cell == "my: net"


def test_a_legend_of_a_grid_names_colours_and_marks_once():
    names = [f"{cell}, {by}" for cell in KNOWN for by in ("adamw", "sgd", "rmsprop")]
    entries = keys(styles(names), dashed=True)
    assert [e.get_label() for e in entries] == [*KNOWN, "adamw", "sgd", "rmsprop"]
    assert len({str(e._dash_pattern) for e in entries[5:]}) == 3
    few = keys(styles(["GRU, adamw", "GRU, sgd"]))
    assert [e.get_label() for e in few] == ["GRU, adamw", "GRU, sgd"]
