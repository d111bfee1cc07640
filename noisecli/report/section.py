"""A part of the page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Section:
    """A title, and what its template shows; one without data is left out."""

    id: str
    title: str
    data: Mapping[str, Any] | None

    @property
    def template(self) -> str:
        """Name of the template."""
        return f"{self.id}.html.j2"
