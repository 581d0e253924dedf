"""The tasks of studies, told apart in a file by their kind."""

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from ..checked import KINDS
from .multilag import MultiLag
from .recall import Recall

MULTI_LAG, RECALL = KINDS


def _kind(given: Any) -> Any:
    """Return the kind of a task, which files of before do not state."""
    if isinstance(given, dict):
        return given.get("kind", MULTI_LAG)
    return getattr(given, "kind", MULTI_LAG)


Task = Annotated[
    Annotated[MultiLag, Tag(MULTI_LAG)] | Annotated[Recall, Tag(RECALL)],
    Discriminator(
        _kind,
        custom_error_type="kind",
        custom_error_message="there is no such kind of task; choose "
        + " or ".join(f'"{kind}"' for kind in KINDS),
    ),
]
"""A task of a study: ``kind = "multi-lag"``, unless given, or ``"recall"``."""
