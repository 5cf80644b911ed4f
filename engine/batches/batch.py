"""The samples of one step."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.batches.roles import ByRole, RoleData
from engine.errors import DataError
from engine.features.formats import DataFormat
from engine.features.samples import SampleData, SampleShapes
from engine.features.schema import FEATURES, TAGS, TARGETS
from engine.summary import boxed


class Batch(ByRole):
    """The samples of one step, by role; with a single role their parts can be read directly."""

    __slots__ = ("_role_masks", "_role_weights", "_shapes", "batch_size")

    def __init__(
        self,
        batch_size: int,
        role_data: Mapping[str, SampleData],
        shapes: SampleShapes | None = None,
        role_weights: Mapping[str, Any] | None = None,
        role_masks: Mapping[str, Any] | None = None,
    ) -> None:
        self.batch_size = batch_size
        self._roles = role_data
        self._shapes = shapes
        self._role_weights = role_weights
        self._role_masks = role_masks

    @classmethod
    def output(cls, outputs: Any, of: "Batch") -> "Batch":
        """What a node made of a batch with a single role."""
        ((role, samples),) = of.role_data.items()
        return of.with_roles({role: SampleData.output(outputs, samples)})

    def with_roles(self, roles: Mapping[str, SampleData]) -> "Batch":
        """The same samples with other data."""
        return Batch(self.batch_size, roles, None, self._role_weights, self._role_masks)

    @property
    def role_data(self) -> RoleData:
        roles = self._roles
        return roles if isinstance(roles, RoleData) else RoleData(roles)

    @property
    def available_roles(self) -> list[str]:
        return list(self._roles)

    @property
    def shapes(self) -> SampleShapes:
        if self._shapes is None:
            self._shapes = next(iter(self._roles.values())).shapes
        return self._shapes

    @property
    def role_weights(self) -> dict[str, Any]:
        """A weight for each sample, 1 unless the sampler said otherwise."""
        ones = np.ones(self.batch_size, dtype=np.float32)
        return dict.fromkeys(self._roles, ones) | dict(self._role_weights or {})

    @property
    def role_masks(self) -> dict[str, Any]:
        """1 for a sample, 0 for a padded row."""
        ones = np.ones(self.batch_size, dtype=np.int8)
        return dict.fromkeys(self._roles, ones) | dict(self._role_masks or {})

    def get_data(self, role: str | None = None, domain: str | None = None) -> Any:
        """All roles, one role, or one domain of a role; without `role`, of the only one."""
        if role is None and domain is None:
            return self.role_data
        samples = self.single if role is None else self.role_data[role]
        return samples if domain is None else samples.get_domain_data(domain)

    def __len__(self) -> int:
        return self.batch_size

    def __repr__(self) -> str:
        return f"Batch({self.batch_size} samples, roles: {', '.join(self.role_data)})"

    def summary(self, max_width: int = 88) -> str:
        """Roles and shapes in a box of plain text."""
        rows = {}
        for role, samples in self._roles.items():
            shapes = {FEATURES: samples.features, TARGETS: samples.targets, TAGS: samples.tags}
            rows[role] = ", ".join(
                f"{name} {tuple(part.shape)}" for name, part in shapes.items() if part is not None
            )
        return boxed(f"Batch of {self.batch_size}", rows, max_width)

    # Other forms

    @classmethod
    def concat(cls, *batches: "Batch", fmt: str | DataFormat | None = None) -> "Batch":
        """One batch with the samples of all, in order; they need the same roles.

        It is in the format of the first, unless another is given.
        """
        if not batches:
            raise DataError("There is no batch to join.")
        roles = batches[0].available_roles
        for batch in batches[1:]:
            if batch.available_roles != roles:
                raise DataError(f"Batches with roles {roles} and {batch.available_roles} differ.")
        joined = cls(
            sum(batch.batch_size for batch in batches),
            {
                role: SampleData.concat(*(batch.role_data[role] for batch in batches))
                for role in roles
            },
            None,
            _concat_by_role(roles, [batch.role_weights for batch in batches]),
            _concat_by_role(roles, [batch.role_masks for batch in batches]),
        )
        return joined if fmt is None else joined.as_format(fmt)

    def concat_with(self, *others: "Batch", fmt: str | DataFormat | None = None) -> "Batch":
        return Batch.concat(self, *others, fmt=fmt)

    def as_format(self, fmt: str | DataFormat) -> "Batch":
        """The same in numpy or torch."""
        return self.with_roles({role: data.as_format(fmt) for role, data in self._roles.items()})

    def to_format(self, fmt: str | DataFormat) -> None:
        """Change to numpy or torch in place."""
        for samples in self._roles.values():
            samples.to_format(fmt)

    def as_backend(self, backend: Any) -> "Batch":
        """The same as this backend holds its data."""
        return self.as_format(_backend_format(backend))

    def to_backend(self, backend: Any) -> None:
        """Change to what this backend holds its data in, in place."""
        self.to_format(_backend_format(backend))

    def detach_tensors(self) -> None:
        """Let go of the graph that gradients would flow along."""
        for samples in self._roles.values():
            samples.detach_tensors()


def _backend_format(backend: Any) -> DataFormat:
    name = str(getattr(backend, "value", backend)).lower()
    if name == "torch":
        return DataFormat.TORCH
    if name in ("numpy", "scikit", "none"):
        return DataFormat.NUMPY
    return DataFormat.from_value(name)


def _concat_by_role(roles: list[str], parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {role: np.concatenate([part[role] for part in parts]) for role in roles}
