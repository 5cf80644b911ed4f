"""One configuration: a mapping whose keys are attributes too."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, Self

from tracker.errors import ConfigurationError, InvalidError, NotFoundError, did_you_mean
from tracker.pipelines.identity import canonical, plain


class Config(dict[str, Any]):
    """A configuration that does not change: `config["lr"]`, `config.lr`, `config.model.depth`.

    Mappings in it are configurations themselves. Equal, and of one hash, are those that mean the
    same: 1 is 1.0 but not True, the order of keys does not count, NaN equals NaN. For another one,
    write `Config(config | {"lr": 0.1})`. A field that is called like a method of a mapping
    (`items`, `keys`) is read as `config["items"]`.
    """

    __slots__ = ()

    def __init__(
        self, values: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), /, **more: Any
    ) -> None:
        """Tuples become lists and NumPy's numbers Python's; InvalidError for what JSON cannot hold.

        Raises ConfigurationError, an InvalidError, that names where such a value stands.
        """
        for key, value in plain(dict(values, **more)).items():
            dict.__setitem__(self, key, frozen(value))

    @classmethod
    def joined(cls, *parts: Mapping[str, Any]) -> Self:
        """These together, later ones first; their values must be `frozen` already."""
        config = cls.__new__(cls)
        for part in parts:
            dict.update(config, part)
        return config

    def to_dict(self) -> dict[str, Any]:
        """The same as plain mappings and lists, which may be changed."""
        plain_config: dict[str, Any] = plain(self)
        return plain_config

    def __getattr__(self, name: str) -> Any:
        # Reached only by what is no method of a mapping.
        try:
            return self[name]
        except KeyError:
            raise AttributeError(
                f"There is no field {name!r} in this configuration.{did_you_mean(name, self)}"
            ) from None

    def __missing__(self, key: str) -> NoReturn:
        raise NotFoundError("field", key, self)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        try:
            return canonical(self) == canonical(other)
        except ConfigurationError:  # the other holds what no configuration can
            return False

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]  # unlike a dict, it does not change
        return hash(canonical(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[dict[str, Any]]]:
        return type(self), (self.to_dict(),)

    def copy(self) -> dict[str, Any]:
        """As `to_dict`: what a copy is for is to be changed."""
        return self.to_dict()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise InvalidError(
            "A configuration does not change; make another one: Config(config | {'lr': 0.1})."
        )

    __setitem__ = __delitem__ = __setattr__ = __delattr__ = __ior__ = _refuse
    update = pop = popitem = clear = setdefault = _refuse


def frozen(value: Any) -> Any:
    """A plain value with each mapping in it as a Config."""
    if isinstance(value, dict):
        return Config.joined({key: frozen(inner) for key, inner in value.items()})
    if isinstance(value, list):
        return [frozen(inner) for inner in value]
    return value


def parameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as a run records it: without what a dotted key replaces further down.

    `{"optimizer": {"lr": 1}, "optimizer.lr": 2}` is a configuration whose `optimizer.lr` is 2.
    """
    return _without(config, {key for key in config if "." in key}, "")


def _without(values: Mapping[str, Any], replaced: set[str], prefix: str) -> dict[str, Any]:
    kept = {}
    for key, value in values.items():
        place = f"{prefix}{key}"
        if prefix and place in replaced:
            continue
        if isinstance(value, Mapping) and value:
            inner = _without(value, replaced, f"{place}.")
            if inner:
                kept[key] = inner
        else:
            kept[key] = value
    return kept
