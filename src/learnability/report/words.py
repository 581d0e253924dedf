"""Numbers as people read them: the table as text, a sentence an architecture."""

import math

import pandas as pd

MISSING = "n/a"


def formatted(table: pd.DataFrame) -> pd.DataFrame:
    """Give the table of a study as text, for a page or a terminal.

    Args:
        table: as `report.table` gives it.

    Returns:
        Columns as people read them: architecture; R² of its ceiling; time scale with
        its spread; decay; alpha with its interval; a column a budget; the outcome, if
        a training diverged.

    Example:
        >>> rows = pd.DataFrame([{"cell": "GRU", "r2": 0.5, "ceiling": 0.69}])
        >>> formatted(rows).iloc[0].tolist()
        ['GRU', '0.500 of 0.690']
    """
    rows = table.to_dict("records")
    columns: dict[str, list[str]] = {"architecture": [str(row["cell"]) for row in rows]}
    if "r2" in table:
        columns["R² of ceiling"] = [_fit(row) for row in rows]
    if "tau_median" in table:
        columns["time scale (10 to 90\u202f%)"] = [_time_scale(row) for row in rows]
    if "decay" in table:
        columns["decay of f"] = [_thin(str(row["decay"])) for row in rows]
    if "alpha" in table:
        columns["alpha"] = [_alpha(row) for row in rows]
    for budget in budgets(table):
        columns[f"H at N = {number(budget)}"] = [window(row, budget) for row in rows]
    if any(row.get("outcome") for row in rows):
        columns["outcome"] = [str(row["outcome"]) for row in rows]
    return pd.DataFrame(columns)


def budgets(table: pd.DataFrame) -> list[float]:
    """Give the budgets whose windows a table holds, in its order."""
    names = [str(c) for c in table.columns if str(c).startswith("H_")]
    return [float(name[2:]) for name in names if name.count("_") == 1]


def number(value: float) -> str:
    """Give a number of sequences or steps with its thousands set apart.

    Args:
        value: any number.

    Example:
        >>> number(12500.0), number(0.5), number(math.inf), number(math.nan)
        ('12,500', '0.5', '∞', 'n/a')
    """
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.6g}"


def short(value: float, digits: int = 3) -> str:
    """Give a number with a few significant digits.

    Args:
        value: any number.
        digits: significant ones.

    Example:
        >>> short(8.44321), short(1234.5), short(math.inf)
        ('8.44', '1,234', '∞')
    """
    if not math.isfinite(value) or abs(value) >= 1000:
        return number(round(value) if math.isfinite(value) else value)
    return f"{value:.{digits}g}"


def window(row: dict, budget: float) -> str:
    """Give a window with its interval; what reaches the last lag is there or beyond.

    Args:
        row: a row of the table.
        budget: N.
    """
    name = f"H_{budget:.12g}"
    middle = reach(row[name], row[f"{name}_censored"])
    high = reach(row[f"{name}_upper"], row[f"{name}_upper_censored"])
    low = row[f"{name}_lower"]
    return f"{middle} ({low} to {high})"


def sentence(row: dict, numbers: list[float], level: float, first: int) -> str:
    """Say how far back a network sees, for its largest and smallest budget.

    Args:
        row: a row of the table.
        numbers: budgets N.
        level: confidence of the intervals.
        first: the shortest lag measured.
    """
    most, least = max(numbers), min(numbers)
    percent = f"{level:.0%}".replace("%", "\u202f%")
    said = f"with {_with(most)} {_far(row, most, first)}"
    said += f" ({percent} interval: {_ends(row, most)})"
    if least < most:
        said += f"; with {_with(least)} {_far(row, least, first)}"
        said += f" ({_ends(row, least)})"
    return said + "."


def ended(row: dict) -> str:
    """Say that a training diverged, with a space before; nothing if it did not.

    Args:
        row: a row of the table.
    """
    if not row["outcome"]:
        return ""
    return f" Its {row['outcome']}; the numbers are those of its best weights before."


def steps(count: float, censored: bool) -> str:
    """Give a number of steps in words.

    Args:
        count: of steps.
        censored: whether it is at least that.

    Example:
        >>> steps(1, False), steps(12, True), steps(0, False)
        ('1 step back', '12 or more steps back', '0 steps back')
    """
    said = f"{short(count)} or more" if censored else short(count)
    return f"{said} step{'s' if censored or count != 1 else ''} back"


def interval(low: int, high: int, endless: bool, last: int | None = None) -> str:
    """Give the ends of a window's interval in words.

    Args:
        low: its lower end in steps; 0 is no lag at all.
        high: its upper end.
        endless: whether the upper end is the longest lag measured.
        last: that lag; a lower end there leaves one thing to say.

    Example:
        >>> interval(0, 4, False), interval(8, 12, True), interval(12, 12, True, 12)
        ('none to 4', '8 to 12 or more', '12 or more')
        >>> interval(0, 0, False)
        'none at all'
    """
    if high == 0:
        return "none at all"
    if endless and low == last:
        return f"{low} or more"
    return f"{low or 'none'} to {high}{' or more' if endless else ''}"


def _ends(row: dict, budget: float) -> str:
    name = f"H_{budget:.12g}"
    low, high = int(row[f"{name}_lower"]), int(row[f"{name}_upper"])
    endless = bool(row[f"{name}_upper_censored"])
    return interval(low, high, endless, high)


def _with(budget: float) -> str:
    return f"{number(budget)} sequence{'s' if budget != 1 else ''}"


def _far(row: dict, budget: float, first: int) -> str:
    name = f"H_{budget:.12g}"
    if row[name] == 0:
        return f"not even lag {first}"
    return steps(int(row[name]), bool(row[f"{name}_censored"]))


def reach(steps: int, censored: bool) -> str:
    """Give a number of steps for a table.

    Args:
        steps: how many.
        censored: whether it is at least that.
    """
    return f"≥{steps}" if censored else f"{steps}"


def _thin(text: str) -> str:
    """Put a thin space that no line breaks at before a percent sign."""
    return text.replace(" %", "\u202f%")


def _fit(row: dict) -> str:
    if math.isnan(row["r2"]):
        return "not trained here"
    return f"{row['r2']:.3f} of {row['ceiling']:.3f}"


def _time_scale(row: dict) -> str:
    low, high = short(row["tau_low"]), short(row["tau_high"])
    middle = short(row["tau_median"])
    return middle if middle == MISSING else f"{middle} ({low} to {high})"


def _alpha(row: dict) -> str:
    if math.isnan(row["alpha"]):
        return MISSING
    ends = f"{row['alpha_lower']:.2f} to {row['alpha_upper']:.2f}"
    return f"{row['alpha']:.2f} ({ends})"
