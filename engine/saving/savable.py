"""What is made of a configuration can be kept in a file."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

from engine.errors import EngineError, FileFormatError, PackagedCodeError, ResolutionError
from engine.saving.errors import UnreadableError
from engine.saving.files import read_file, write_file, write_large_file
from engine.saving.forms import as_form, from_form
from engine.saving.locations import foreign_code, locate, location_of
from engine.saving.packaged import read_sets
from engine.saving.packaging import packaging

# What parts that do not fit together make code raise that took them for what it had written.
_MISFITS = (EngineError, LookupError, TypeError, ValueError, AttributeError, RuntimeError)


@contextmanager
def loading(path: Path, meta: Mapping[str, Any], *, allow_packaged_code: bool) -> Iterator[None]:
    """While an object is made of what a file held: its code, if that is allowed, and its errors.

    `meta` are the file's meta data. Raises PackagedCodeError for code that may not run,
    ResolutionError for what is missing here and not in the file, and FileFormatError for parts that
    do not fit, all with the path.
    """
    try:
        sets = read_sets(meta)
    except UnreadableError as error:
        raise FileFormatError(f"{path} cannot be read: {error}.") from error
    try:
        with foreign_code(allowed=allow_packaged_code, sets=sets):
            yield
    except (PackagedCodeError, ResolutionError) as error:
        raise type(error)(f"{path} cannot be loaded: {error}") from error
    except _MISFITS as error:
        raise FileFormatError(f"{path} cannot be read: its parts do not fit ({error}).") from error


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

    def save(
        self, filepath: str | Path, *, overwrite: bool = False, package_code: bool = False
    ) -> Path:
        """Write it into one file, whole or not at all; an existing one is kept.

        With `package_code` the source of all modules of your own goes into the file, that of a
        script or notebook as far as it is needed. Raises PackagedCodeError for a class or a
        function that no other process could import, and whose source is not in the file.
        """
        return self._write(
            filepath, self.saved_form, overwrite=overwrite, package_code=package_code
        )

    def _write(
        self,
        filepath: str | Path,
        make_form: Callable[[], dict[str, Any]],
        *,
        overwrite: bool,
        package_code: bool,
        large: bool = False,
    ) -> Path:
        path = self._with_suffix(Path(filepath))
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists; pass overwrite=True to replace it.")
        with packaging(requested=package_code) as code:
            form = as_form(make_form())
        if large:
            return write_large_file(path, self.saved_as, form, meta=code.meta())
        return write_file(path, self.saved_as, form, meta=code.meta()).path

    @classmethod
    def load(cls, filepath: str | Path, *, allow_packaged_code: bool = False) -> Self:
        """What `save` wrote, with its configuration and state.

        Classes and functions that are not ours or a known library's are imported, or run from the
        source in the file, only with `allow_packaged_code`; `engine.utils.inspect_packaged_code`
        shows them. Raises FileFormatError for what is damaged or of another class.
        """
        path = cls._found(filepath)
        saved, meta = read_file(
            path, cls.saved_as, trusted=allow_packaged_code, trusted_by="allow_packaged_code"
        )
        with loading(path, meta, allow_packaged_code=allow_packaged_code):
            return cls.from_saved_form(from_form(saved))

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
        made = cls.class_in(saved).from_config(saved["config"])
        made.set_state(saved["state"])
        return made

    @classmethod
    def class_in(cls, saved: dict[str, Any]) -> type[Self]:
        """The class that a saved form names, this one or one below it; imports it."""
        found = locate(saved["class"])
        if not (isinstance(found, type) and issubclass(found, cls)):
            raise TypeError(f"it holds a {saved['class']}, which is no {cls.__name__}")
        return found

    @classmethod
    def _found(cls, filepath: str | Path) -> Path:
        path = Path(filepath)
        return path if path.exists() else cls._with_suffix(path)

    @classmethod
    def _with_suffix(cls, path: Path) -> Path:
        suffix = f".{cls.saved_as}"
        return path if path.suffix == suffix else path.with_name(f"{path.name}{suffix}")
