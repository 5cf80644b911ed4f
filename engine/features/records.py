"""What is remembered of a scaling, so that it can be done again, undone and saved."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from engine.errors import PackagedCodeError
from engine.features.blocks import Axes, Block, FlattenMeta
from engine.saving import locate, location_of

if TYPE_CHECKING:
    from engine.scalers import Scaler


@dataclass(frozen=True)
class ScalerRecord:
    """One scaling that was done: which columns, fitted to what, and by what."""

    order: int
    domain: str
    keys: tuple[str, ...]
    rep_in: str
    rep_out: str
    fit_split: str | None
    merged_axes: Axes
    flatten_meta: FlattenMeta
    scaler_obj: "Scaler"

    def get_state(self) -> dict[str, Any]:
        """Everything as plain values and arrays; scikit-learn's own estimators as they are."""
        plain = {name: getattr(self, name) for name in _PLAIN_FIELDS}
        return plain | {
            "flatten_meta": asdict(self.flatten_meta),
            "scaler": _scaler_state(self.scaler_obj),
        }

    @classmethod
    def from_state(
        cls, state: dict[str, Any], *, allow_packaged_code: bool = True
    ) -> "ScalerRecord":
        """What `get_state` described; a scaler of a user's own class only if that may be run."""
        plain = {name: state[name] for name in _PLAIN_FIELDS}
        scaler = _scaler_from(state["scaler"], allow_packaged_code=allow_packaged_code)
        return cls(**plain, flatten_meta=FlattenMeta(**state["flatten_meta"]), scaler_obj=scaler)

    @property
    def is_known(self) -> bool:
        """Whether the scaler is one of those that are known by name."""
        scaler = self.scaler_obj
        return scaler.supported_scalers.get(scaler.name) is type(scaler.scaler)

    def scaled(self, block: Block) -> Block:
        """The block of the record's columns after this scaling, in memory of its own."""
        table = self.scaler_obj.transform(self.flatten_meta.flatten(block))
        # A user's scaler may keep what it returns, and change it when it is called again.
        table = table if self.is_known else table.copy()
        return self.flatten_meta.unflatten(table, len(block))

    def unscaled(self, block: Block) -> Block:
        """The block of the record's columns before this scaling."""
        table = self.scaler_obj.inverse_transform(self.flatten_meta.flatten(block))
        return self.flatten_meta.unflatten(table, len(block))


_PLAIN_FIELDS = ("order", "domain", "keys", "rep_in", "rep_out", "fit_split", "merged_axes")


def as_scaler(scaler: Any, scaler_kwargs: dict[str, Any] | None = None) -> "Scaler":
    """The scaler in our wrapper, made by name or class, or taken as it is."""
    # scikit-learn takes a second to import, and data that is not scaled does without it.
    from engine.scalers import Scaler  # noqa: PLC0415 - see above

    return scaler if isinstance(scaler, Scaler) else Scaler(scaler, scaler_kwargs)


def _scaler_state(scaler: "Scaler") -> dict[str, Any]:
    if type(scaler.scaler).__module__.startswith("sklearn."):
        return {"estimator": scaler.scaler}
    config, state = scaler.get_config(), scaler.get_state()
    if not isinstance(config["scaler"], str):
        config["scaler"] = {"location": location_of(config["scaler"])}
    return {"config": config, "state": state}


def _scaler_from(saved: dict[str, Any], *, allow_packaged_code: bool) -> "Scaler":
    if "estimator" in saved:
        scaler = as_scaler(saved["estimator"])
        scaler.is_fit = True
        return scaler
    named = saved["config"]["scaler"]
    if isinstance(named, dict):
        if not allow_packaged_code:
            raise PackagedCodeError(
                f"A scaler in it is of the class {named['location']}, which is not ours to run. "
                "Look at it first, then load with allow_packaged_code=True."
            )
        named = locate(named["location"])
    scaler = as_scaler(named, saved["config"]["scaler_kwargs"])
    scaler.set_state(saved["state"])
    return scaler
