"""One line of the table of `make bench`: what was measured, against what, and whether that is enough."""

from typing import Literal

from attrs import field, frozen, validators


@frozen
class Goal:
    """A bound that must hold: on the ratio where there is a reference, else on the value itself."""

    kind: Literal[">=", "<="]
    bound: float

    def holds_for(self, figure: float) -> bool:
        return figure >= self.bound if self.kind == ">=" else figure <= self.bound


def at_least(bound: float) -> Goal:
    return Goal(">=", bound)


def at_most(bound: float) -> Goal:
    return Goal("<=", bound)


@frozen(kw_only=True)
class Row:
    """One figure. `value` and `reference` are in the same `unit` and of the same run, interleaved.

    `compared_with` says in a few words what the reference is: the best simple way, never a slow one.
    """

    name: str
    value: float = field(validator=validators.ge(0))
    unit: str
    goal: Goal
    reference: float | None = field(default=None, validator=validators.optional(validators.gt(0)))
    compared_with: str = ""

    @property
    def ratio(self) -> float | None:
        return None if self.reference is None else self.value / self.reference

    @property
    def holds(self) -> bool:
        return self.goal.holds_for(self.value if self.ratio is None else self.ratio)

    @property
    def goal_text(self) -> str:
        return f"{self.goal.kind} {self.goal.bound:g}" + (f" {self.unit}" if self.reference is None else "x")

    def as_json(self) -> dict[str, str | float | bool | None]:
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "reference": self.reference,
            "compared_with": self.compared_with,
            "ratio": self.ratio,
            "goal": self.goal_text,
            "holds": self.holds,
        }
