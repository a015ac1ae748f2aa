"""The experiments that ship with the project: a YAML file each, in folders by family, described by its first line."""

from pathlib import Path

from ..base.errors import UsageError, suggest


def config_folder() -> Path:
    """``configs`` beside the package in a clone, within it in a wheel; a folder for each family of tasks."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def experiments() -> dict[str, Path]:
    """Name to file, family by family."""
    return {path.stem: path for path in sorted(config_folder().glob("*/*.yaml"))}


def find_experiment(name: str) -> tuple[str, Path]:
    """The experiment's name and file, for a name of ``memnets list`` or the path of a YAML file.

    Raises:
        UsageError: there is no such experiment or file.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"there is no file {name}")
        return (path.parent.parent.name if path.name == "config.yaml" else path.stem), path
    known = experiments()
    if name not in known:
        raise UsageError(f"unknown experiment {name!r}{suggest(name, known)} (`memnets list` shows all)")
    return name, known[name]
