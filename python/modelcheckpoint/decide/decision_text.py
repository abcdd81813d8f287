"""A decision of process 0 as a text, for the processes that save together with it."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from modelcheckpoint.decide.plan import Moment, Order, Skip

__all__ = ["decision_from", "text_of"]


def text_of(decision: Order | Skip | None) -> str:
    """Return a decision as a text, without the moment, which all processes know."""
    if decision is None:
        return "null"
    names = [field.name for field in fields(decision) if field.name != "moment"]
    return json.dumps({name: getattr(decision, name) for name in names})


def decision_from(text: str, moment: Moment) -> Order | Skip | None:
    """Return the decision in a text, with the moment as this process sees it.

    Raises:
        ValueError: If this version does not understand the text.
    """
    values: dict[str, Any] | None = json.loads(text)
    if values is None:
        return None
    try:
        if "path" not in values:
            return Skip(moment, **values)
        return Order(moment, **{**values, "missing": tuple(values["missing"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"it has a decision of another form: {text}") from error
