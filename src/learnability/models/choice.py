"""Which modules of a model are diagnosed, and how: by their equation or without it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import final

from torch import nn

from .batches import Batch
from .layer import Layer, Progress, silent
from .layer_taps import taps_of
from .module_tap import ModuleTap
from .reading import Reading
from .recognised import recognised
from .refusal import UnsupportedLayerError, UnsupportedModelError, refuse_scripted
from .step_tap import StepTap
from .stepping import Convention, DeclaredCell, cell
from .taps import Tap

NAMED = 6  # modules that a sentence names at most

Read = Callable[[list[Tap]], Reading]
First = Callable[[], Batch]
Named = str | DeclaredCell


@final
@dataclass(frozen=True)
class Found:
    """What of a model was read.

    Attributes:
        recurrences: recurrences whose equation is known, with the model's reading.
        modules: other modules, each with a reading of its own and, where it was to be
            a recurrence, why it is none.
        refused: why a module cannot be diagnosed, by its name.
    """

    recurrences: list[tuple[Reading, Layer]] = field(default_factory=list)
    modules: list[tuple[Reading, Layer, str]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def found(
    model: nn.Module,
    layers: Iterable[Named] | Named | None,
    read: Read,
    first: First,
    progress: Progress = silent,
) -> Found:
    """Read all recurrences of a model, or the modules that are named.

    A recurrence whose equation is not that of its calls is read as a module.

    Args:
        model: the model.
        layers: names of modules or single recurrences.
        read: reads the model with some taps.
        first: gives some items of the data.
        progress: called with the name of a stage and the share of it that is done.

    Raises:
        ValueError: if there is none, a name is none of them, or no module can be read.
    """
    taps, names = _chosen(model, layers, first)
    result, reasons = Found(), dict.fromkeys(names, "")
    while taps:
        try:
            reading = read(taps)
            result.recurrences.extend(
                (reading, layer) for layer in reading.layers(progress)
            )
            break
        except UnsupportedLayerError as refusal:
            reasons[refusal.path] = str(refusal)
            taps = [tap for tap in taps if not _part_of(tap, refusal.path)]
    modules = dict(model.named_modules())
    for path, reason in reasons.items():
        module = modules["" if path == "model" and path not in modules else path]
        try:
            reading, layer = _as_module(path, module, read)
            result.modules.append((reading, layer, reason))
        except UnsupportedModelError as refusal:
            both = dict.fromkeys((reason, str(refusal)))
            result.refused[path] = "; ".join(filter(None, both))
    if not result.recurrences and not result.modules:
        raise UnsupportedModelError(next(iter(result.refused.values())))
    return result


def _part_of(tap: Tap, path: str) -> bool:
    """Tell whether a tap lies on a module or inside of it."""
    return tap.path == path or tap.path.startswith(f"{path}.")


def _as_module(path: str, module: nn.Module, read: Read) -> tuple[Reading, Layer]:
    """Read one module, whose sequences lie along the first axis or the second."""
    first: UnsupportedModelError | None = None
    for axis in (0, 1):
        try:
            reading = read([ModuleTap(path, module, axis)])
            (layer,) = reading.layers()
            return reading, layer
        except UnsupportedModelError as refusal:
            first = first or refusal
    assert first is not None
    raise first


def _chosen(
    model: nn.Module, layers: Iterable[Named] | Named | None, first: First
) -> tuple[list[Tap], list[str]]:
    """Return taps on recurrences, and names of other modules."""
    taps = taps_of(model)
    if layers is None:
        seen = {} if taps else recognised(model, first())
        if not taps and not seen:
            raise UnsupportedModelError(
                f"{type(model).__name__} holds no recurrent layer that is known; give "
                "a model with nn.RNN, nn.GRU, nn.LSTM, their cells, or a module with "
                "step(state, x), or name modules that give a step for each step they "
                f"take, layers=[...], such as {_candidates(model)}"
            )
        return _of_cells(model, seen, taps)
    modules = {name or "model": module for name, module in model.named_modules()}
    declared = {_name(one, modules): one for one in _several(layers)}
    kept: list[Tap] = []
    others: list[str] = []
    for name in declared:
        path = name.split("[")[0]
        own = [tap for tap in taps if tap.path == path]
        if own:
            kept.extend(tap for tap in own if tap not in kept)
        elif path in modules and path == name:
            refuse_scripted(path, modules[path])
            others.append(path)
        else:
            known = ", ".join(tap.path for tap in taps) or _candidates(model)
            raise UnsupportedModelError(
                f"there is no layer {name!r}; the model has {known}"
            )
    inner = [tap for tap in taps if _within(tap, kept) and tap not in kept]
    for tap in kept:
        if isinstance(tap, StepTap) and tap.within not in kept:
            tap.within = None
    taps = [tap for tap in taps if tap in kept or tap in inner]
    if not others:
        return taps, []
    cells = [
        own if isinstance(own := declared[name], DeclaredCell) else cell(modules[name])
        for name in others
    ]
    seen = recognised(model, first(), cells)
    return _of_cells(model, {name: seen.get(name) for name in others}, taps)


def names_of(
    model: nn.Module, layers: Iterable[Named] | Named | None
) -> list[str] | None:
    """Return the names of layers that are named or declared, None where none is.

    Raises:
        ValueError: if a declared cell is no module of the model.
    """
    if layers is None:
        return None
    modules = {name or "model": module for name, module in model.named_modules()}
    return [_name(one, modules) for one in _several(layers)]


def _several(layers: Iterable[Named] | Named) -> list[Named]:
    return [layers] if isinstance(layers, str | DeclaredCell) else list(layers)


def _name(layer: Named, modules: Mapping[str, nn.Module]) -> str:
    """Return the name of a layer that is named or declared."""
    if not isinstance(layer, DeclaredCell):
        return str(layer)
    name = next((n for n, own in modules.items() if own is layer.module), None)
    if name is None:
        raise UnsupportedModelError(
            f"the declared {type(layer.module).__name__} is no module of the model; "
            "declare lw.cell(model.PATH, ...)"
        )
    return name


def _of_cells(
    model: nn.Module, seen: Mapping[str, Convention | None], taps: list[Tap]
) -> tuple[list[Tap], list[str]]:
    """Return taps with those on cells of others, and the names of all else."""
    modules = {name or "model": module for name, module in model.named_modules()}
    cells = [StepTap(name, modules[name], way) for name, way in seen.items() if way]
    return [*taps, *cells], [name for name, way in seen.items() if way is None]


def _within(tap: Tap, others: list[Tap]) -> bool:
    return isinstance(tap, StepTap) and tap.within in others


def _candidates(model: nn.Module) -> str:
    """Return names of modules that have parameters, the outermost first."""
    named = list(_with_parameters(model))[:NAMED]
    return ", ".join(repr(name) for name in named) or "none that has parameters"


def _with_parameters(model: nn.Module) -> Iterator[str]:
    for name, module in sorted(
        model.named_modules(), key=lambda one: one[0].count(".")
    ):
        plain = isinstance(module, nn.Embedding | nn.ModuleList | nn.ModuleDict)
        if name and not plain and next(module.parameters(), None) is not None:
            yield name
