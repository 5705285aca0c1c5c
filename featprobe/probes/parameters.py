"""The constructor arguments of a probe: read, changed, and checked before they are used."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar, Self

from featprobe.core.errors import InputError
from featprobe.core.options import Needs, annotations_of, checked, idle, run_checks

# The methods that read the parameters; each begins by checking them.
LATER = ("tol", "start")  # added after the first results: None is what was done before
USES = ("candidates", "fit_candidates", "score_tries", "within", "_fits")


def defaults(kind: type) -> dict[str, Any]:
    """Constructor argument -> its default."""
    return {n: p.default for n, p in inspect.signature(kind.__init__).parameters.items()}  # type: ignore[misc]


def _checking(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: Parameters, *args: Any, **options: Any) -> Any:
        self.check_params()
        return method(self, *args, **options)

    return call


class Parameters:
    """Constructor arguments as scikit-learn has them: stored as they are given.

    Whatever uses them (:data:`USES`) begins with :meth:`check_params`, also where a subclass has
    its own. ``needs``: parameter -> what it has no effect without, see
    :func:`featprobe.core.options.idle`.
    """

    name: ClassVar[str] = ""
    needs: ClassVar[Needs] = {}

    def __init__(self) -> None:
        """Without parameters, where a subclass has none."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in USES:
            if name in vars(cls):
                setattr(cls, name, _checking(vars(cls)[name]))

    def check_params(self) -> None:
        """Raise :class:`InputError` for a parameter that is not what its annotation says.

        Then the ``check`` of every class that has one, bases first: a subclass adds, and replaces
        none.
        """
        kinds = annotations_of(type(self).__init__)
        for name, value in self.get_params(deep=False).items():
            checked(name, value, kinds.get(name, Any), f"probe {self.name}")
        run_checks(self)

    def idle(self) -> list[str]:
        """Parameters that were changed and have no effect beside the others, one line each."""
        return list(idle(self.get_params(deep=False), defaults(type(self)), self.needs))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Constructor arguments, as scikit-learn's ``clone`` wants them."""
        names = [p for p in inspect.signature(type(self).__init__).parameters if p != "self"]
        return {n: getattr(self, n) for n in names}

    def recorded(self) -> dict[str, Any]:
        """:meth:`get_params` as results and requests keep them.

        Without those of :data:`LATER` that are None, so that results of versions which did not
        have them are of the same cell.
        """
        every = self.get_params().items()
        return {n: v for n, v in every if v is not None or n.split("__")[-1] not in LATER}

    def set_params(self, **params: Any) -> Self:
        """Change constructor arguments; an unknown one is an error."""
        known = self.get_params()
        for key, value in params.items():
            if key not in known:
                raise InputError(
                    f"{type(self).__name__} has no parameter {key!r}; it has {', '.join(known)}"
                )
            setattr(self, key, value)
        return self

    def fresh(self, **params: Any) -> Self:
        """An unfitted copy with some parameters changed."""
        made = type(self)(**self.get_params(deep=False))
        return made.set_params(**params)
