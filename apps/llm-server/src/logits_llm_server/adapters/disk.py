"""Weights on disk: finding a model's source and looking at it."""

from pathlib import Path

from logits_core.engines.served_model import ServedModel
from logits_core.engines.weights import WeightsOnDisk


def source_path(model: ServedModel, models_directory: Path) -> Path:
    """Return where a model's weights are; relative sources lie below the models directory."""
    return models_directory / model.source


def look_at(path: Path) -> WeightsOnDisk:
    """Return what the file system says of ``path``; blocking."""
    try:
        if path.is_dir():
            files = [file for file in path.iterdir() if file.is_file()]
            size = sum(file.stat().st_size for file in files if file.suffix in {".safetensors", ".bin", ".gguf"})
            return WeightsOnDisk(str(path), "folder", size, names=frozenset(file.name for file in files))
        if not path.exists():
            return WeightsOnDisk(str(path), "missing")
        with path.open("rb") as file:
            return WeightsOnDisk(str(path), "file", path.stat().st_size, file.read(4))
    except OSError:
        return WeightsOnDisk(str(path), "unreadable")
