"""Registries of variants that a config chooses by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fvcore.common.registry import Registry

T = TypeVar("T", bound=Callable[..., Any])


class VariantRegistry(Registry):
    """fvcore's registry, called as the config key that chooses: with errors of one line and names that no
    Python object has, which that one does without.

    A variant of one's own is registered with ``@REGISTRY.register()`` by its name in the code; :meth:`named`
    gives it another, such as one that is no Python name.
    """

    def get(self, name: str) -> Any:
        """The variant of a name.

        Raises:
            ValueError: there is none.
        """
        if name not in self:
            names = ", ".join(known for known, _ in self)
            raise ValueError(f"{self._name} {name!r}: expected one of {names}"[:299])
        return super().get(name)

    def named(self, name: str) -> Callable[[T], T]:
        """Register what follows as ``name``."""

        def register(variant: T) -> T:
            self._do_register(name, variant)
            return variant

        return register
