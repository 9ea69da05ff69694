"""What a deployment says about money: the section `billing` of its settings."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from madang.core.billing.catalogue import Catalogue, catalogue_of, released_catalogue
from madang.ports.errors import Misconfigured

if TYPE_CHECKING:
    from madang.entrypoints.settings import Settings


class BillingSetting(BaseModel):
    """Every setting is explained in the guide for operators."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    catalogue: Path | None = None


def catalogue(settings: "Settings") -> Catalogue:
    """What this deployment sells. Raises `Misconfigured` for a file that cannot be read."""
    path = settings.billing.catalogue
    if path is None:
        return released_catalogue()
    try:
        return catalogue_of(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Misconfigured(f"billing.catalogue: {path}: {error}", operation="settings") from None
