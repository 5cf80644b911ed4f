"""What is made of a configuration can be kept in a file."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

from engine.errors import EngineError, FileFormatError, PackagedCodeError
from engine.saving.files import read_file, write_file
from engine.saving.locations import foreign_code, locate, location_of


class Savable:
    """Something with a configuration, and with a state if it has one, to be kept in a file.

    The file gets what it is as its suffix: `.sampler`, `.splitter`, `.scaler`.
    """

    saved_as: ClassVar[str]

    @abstractmethod
    def get_config(self) -> dict[str, Any]: ...

    @classmethod
    @abstractmethod
    def from_config(cls, config: dict[str, Any]) -> Self: ...

    def get_state(self) -> dict[str, Any]:
        """What changes in the course of its use."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what `get_state` gave."""

    def save(self, filepath: str | Path, *, overwrite: bool = False) -> Path:
        """Write it into one file, whole or not at all; an existing one is kept.

        Raises PackagedCodeError for a class or a function that no other process could import.
        """
        path = self._with_suffix(Path(filepath))
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists; pass overwrite=True to replace it.")
        return write_file(path, self.saved_as, self.saved_form()).path

    @classmethod
    def load(cls, filepath: str | Path, *, allow_packaged_code: bool = False) -> Self:
        """What `save` wrote, with its configuration and state.

        Classes and functions that are not ours or scikit-learn's are imported only with
        `allow_packaged_code`. Raises FileFormatError for what is damaged or of another class.
        """
        path = Path(filepath)
        path = path if path.exists() else cls._with_suffix(path)
        saved, _ = read_file(path, cls.saved_as, trusted=allow_packaged_code)
        try:
            with foreign_code(allowed=allow_packaged_code):
                return cls.from_saved_form(saved)
        except PackagedCodeError as error:
            raise PackagedCodeError(f"{path} cannot be loaded: {error}") from error
        except (EngineError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise FileFormatError(
                f"{path} cannot be read: its parts do not fit ({error})."
            ) from error

    def saved_form(self) -> dict[str, Any]:
        """All that makes it again, in values that a file can hold."""
        return {
            "class": location_of(type(self)),
            "config": self.get_config(),
            "state": self.get_state(),
        }

    @classmethod
    def from_saved_form(cls, saved: dict[str, Any]) -> Self:
        """What `saved_form` described; imports its class."""
        found = locate(saved["class"])
        if not (isinstance(found, type) and issubclass(found, cls)):
            raise TypeError(f"it holds a {saved['class']}, which is no {cls.__name__}")
        made = found.from_config(saved["config"])
        made.set_state(saved["state"])
        return made

    @classmethod
    def _with_suffix(cls, path: Path) -> Path:
        suffix = f".{cls.saved_as}"
        return path if path.suffix == suffix else path.with_name(f"{path.name}{suffix}")
