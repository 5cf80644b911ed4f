"""Fitted scikit-learn estimators, through skops: read without unpickling anything."""

import io
import re
import sys
import zipfile
from typing import Any

from engine.errors import UnsavableError
from engine.saving.errors import UnreadableError, UntrustedError

_MAX_SCHEMA = 64 * 2**20
_OBJECT = re.compile(r'"__id__": (\d+)')
_DIGITS = re.compile(r"\d+")


def is_estimator(value: object) -> bool:
    """Whether this is a scikit-learn estimator."""
    # Whoever holds an estimator has imported scikit-learn; importing it here costs a second.
    base = sys.modules.get("sklearn.base")
    return base is not None and isinstance(value, base.BaseEstimator)


def dump_estimator(estimator: object, place: str) -> bytes:
    """The estimator in skops's form; `place` is where it stands, for the error."""
    from skops import io as skops  # noqa: PLC0415 - most files hold no estimator, and it is slow

    try:
        return bytes(skops.dumps(estimator))
    except Exception as error:  # skops raises whatever the foreign object makes it raise
        raise UnsavableError(
            f"Cannot save {place}, a {type(estimator).__name__}: skops cannot write it ({error})."
        ) from error


def is_same_dump(data: bytes, other: bytes) -> bool:
    """Whether two dumps are of equal estimators: skops numbers the objects anew in each."""
    return _numbered(data) == _numbered(other)


def _numbered(data: bytes) -> tuple[str, dict[str, bytes]]:
    """What is in a dump, its objects numbered in the order in which they come."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    schema = files.pop("schema.json").decode()
    numbers = dict.fromkeys(_OBJECT.findall(schema))
    names = {number: str(place) for place, number in enumerate(numbers)}
    renamed = {names.get(name.split(".")[0], name): content for name, content in files.items()}
    return _DIGITS.sub(lambda found: names.get(found[0], found[0]), schema), renamed


def load_estimator(data: bytes, *, trusted: bool) -> Any:
    """The estimator; types beyond skops's own safe list are refused unless `trusted`."""
    from skops import io as skops  # noqa: PLC0415 - as above

    _check_stored(data)
    try:
        unknown = skops.get_untrusted_types(data=data)
    except Exception as error:  # anything may be in a foreign file
        raise UnreadableError(f"an estimator in it is malformed ({error})") from error
    if unknown and not trusted:
        raise UntrustedError(
            f"an estimator in it needs types that are not known to be safe: {', '.join(unknown)}"
        )
    try:
        return skops.loads(data, trusted=unknown)
    except Exception as error:
        raise UnreadableError(f"an estimator in it cannot be rebuilt ({error})") from error


def _check_stored(data: bytes) -> None:
    """Nothing inside may unpack to more than is there, nor is the description oversized."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UnreadableError(f"an estimator in it is malformed ({error})") from error
    for info in infos:
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > len(data):
            raise UnreadableError("an estimator in it holds compressed parts, which are not ours")
        if info.filename == "schema.json" and info.file_size > _MAX_SCHEMA:
            raise UnreadableError("the description of an estimator in it is too large")
