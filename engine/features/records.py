"""What is remembered of a scaling, so that it can be done again, undone and saved."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from engine.features.blocks import Axes, Block, FlattenMeta

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
            "scaler": self.scaler_obj.saved_form(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "ScalerRecord":
        """What `get_state` described; imports the class of a user's own scaler."""
        # scikit-learn takes a second to import, and data that is not scaled does without it.
        from engine.scalers import Scaler  # noqa: PLC0415 - see above

        plain = {name: state[name] for name in _PLAIN_FIELDS}
        # Only fitted ones are recorded; files of format 1 do not say so.
        scaler = Scaler.from_saved_form({"is_fit": True} | state["scaler"])
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
