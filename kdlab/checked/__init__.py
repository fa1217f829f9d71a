"""The field's usual claims, answered by what the course measured, and a path through them to a decision."""

from kdlab.checked.path import decide
from kdlab.checked.stored import Verdict, verdicts
from kdlab.checked.usual import Usual, usual_claims

__all__ = ["Usual", "Verdict", "decide", "usual_claims", "verdicts"]
