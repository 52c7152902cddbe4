"""The ten components as images of this checkout: which module each runs and with what."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

from logits_local.nodes.images import Image, ImageCatalogue, image_reference

CUSTOMER_COMPONENTS = (
    "gateway",
    "controller",
    "collector",
    "console",
    "api-server",
    "llm-server",
    "entity-db",
    "ingress-proxy",
)
VENDOR_COMPONENTS = ("accounts", "ops-api")
RELEASED_COMPONENTS = tuple(name for name in CUSTOMER_COMPONENTS if name != "gateway")
"""What a release names; the Gateway is the customer's own to upgrade."""


def version() -> str:
    """The version of this checkout's components."""
    return metadata.version("logits-local")


def component_image(component: str, models: Path) -> Image:
    """The image that runs a component from this very Python environment.

    Args:
        component: its name.
        models: the directory of the models that come with the checkout.
    """
    environment = {"LOGITS_MODELS_DIRECTORY": str(models)} if component == "llm-server" else {}
    return Image((sys.executable, "-m", f"logits_{component.replace('-', '_')}"), environment)


def catalogue_components(catalogue: ImageCatalogue, models: Path) -> dict[str, str]:
    """Put all components into the catalogue; each one's reference."""
    references = {name: image_reference(name, version()) for name in (*CUSTOMER_COMPONENTS, *VENDOR_COMPONENTS)}
    catalogue.add({reference: component_image(name, models) for name, reference in references.items()})
    return references


def checkout() -> Path:
    """The root of the checkout that this package is installed from: charts and models live there."""
    for parent in Path(__file__).resolve().parents:
        if (parent / "helm").is_dir() and (parent / "packages").is_dir():
            return parent
    return Path.cwd()
