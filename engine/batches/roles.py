"""Samples by role: an anchor and its pair, or simply the one default role."""

from collections.abc import Iterator, Mapping
from typing import Any

from engine.errors import DataError, UnknownLabelError
from engine.features.samples import SampleData, SampleShapes


class ByRole:
    """What holds samples by role; with a single role, their parts can be read directly."""

    __slots__ = ("_roles",)

    _roles: Mapping[str, SampleData]

    @property
    def single(self) -> SampleData:
        """The samples of the only role."""
        roles = self._roles
        if len(roles) == 1:
            for samples in roles.values():
                return samples
        raise DataError(f"There are several roles; say which: {', '.join(roles)}.")

    @property
    def features(self) -> Any:
        return self.single.features

    @property
    def outputs(self) -> Any:
        return self.single.outputs

    @property
    def targets(self) -> Any:
        return self.single.targets

    @property
    def tags(self) -> Any:
        return self.single.tags

    @property
    def sample_uuids(self) -> Any:
        return self.single.sample_uuids


class RoleData(ByRole, Mapping[str, SampleData]):
    """The samples themselves, by role."""

    __slots__ = ()

    def __init__(self, mapping: Mapping[str, SampleData]) -> None:
        self._roles = mapping

    def __getitem__(self, role: str) -> SampleData:
        try:
            return self._roles[role]
        except KeyError:
            raise UnknownLabelError("role", role, self._roles) from None

    def __repr__(self) -> str:
        listed = ", ".join(f"{role}: {samples!r}" for role, samples in self._roles.items())
        return f"RoleData({listed})"

    def __iter__(self) -> Iterator[str]:
        return iter(self._roles)

    def __len__(self) -> int:
        return len(self._roles)

    @property
    def n_samples(self) -> int:
        return next(iter(self._roles.values())).n_samples

    @property
    def shapes(self) -> SampleShapes:
        return self.single.shapes
