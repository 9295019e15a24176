"""What the picker knows: the schedule that is being chosen, its curve, and the candidates. Knows no widget."""

from __future__ import annotations

from lrtui.schedules.anchors import ANCHORS
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_schedule
from lrtui.schedules.schedule import Schedule
from lrtui.tui.forecast import Answer, Question
from lrtui.tui.screens.picker.candidates import Candidate
from lrtui.tui.screens.picker.choice import PickerChoice, PickerContext
from lrtui.tui.screens.picker.model import PickerModel
from lrtui.tui.screens.picker.verdict import Verdict
from lrtui.tui.screens.picker.what_if import recorded_of, what_if_words, with_results


class PickerState:
    """The state of a picker.

    Args:
        context: what the schedule is for.
    """

    def __init__(self, context: PickerContext) -> None:
        self.context = context
        horizon = Horizon(context.epochs, context.batches_per_epoch, context.start_step)
        self.model = PickerModel(context.schedule, context.optimizer, horizon, context.recent)
        if context.scheduler is not None:
            self.model.choose(context.scheduler)
        self.anchor = next(iter(ANCHORS))
        self.answer: Answer | None = None
        """The latest, kept while the next is awaited."""
        self.candidates = context.candidates
        live = context.live
        self._recorded = context.recorded or (recorded_of(f"run #{context.number}", [live]) if live else None)

    @property
    def question(self) -> Question | None:
        """The question for the curve of the notation as it is now; None where that can't be read."""
        schedule = self.model.schedule
        return None if schedule is None else self._question_of(schedule, self.anchor)

    def _question_of(self, schedule: Schedule, anchor: str) -> Question:
        return with_results(self.context.question(str(schedule), anchor), schedule, self._recorded)

    def ask_for_candidates(self) -> dict[str, Question]:
        """Return by letter the questions for the curves of candidates that were kept for another purpose than this."""
        return self.candidates.ask_anew(lambda kept: self._question_of(parse_schedule(kept.schedule), kept.anchor))

    @property
    def candidate(self) -> Candidate | None:
        """The candidate that is chosen now; None where what is chosen is none."""
        return self.candidates.of(str(self.model.schedule), self.anchor) if self.model.schedule is not None else None

    @property
    def current(self) -> Answer | None:
        """The answer to that question; None while it is awaited."""
        return self.answer if self.answer is not None and self.answer.question == self.question else None

    @property
    def verdict(self) -> Verdict:
        """What there is to say of the notation as it is now."""
        answer = self.current
        error = self.model.error or (answer.error if answer else None)
        return Verdict(error, self.model.filled_in, answer.findings if answer else None)

    @property
    def what_if(self) -> str:
        """When a schedule that follows the tests would have cut the lr, in words; empty for the others."""
        return what_if_words(self.current, self.model.schedule, self._recorded)

    @property
    def racers(self) -> tuple[str, ...]:
        """What a race would be between: the candidates and the schedule that is being chosen, where it is one."""
        chosen = str(self.model.schedule) if self.model.schedule is not None and not self.verdict.error else None
        return tuple(self.candidates.schedules_with(chosen))

    @property
    def race_refusal(self) -> str:
        """Why no race can begin now, in words; empty where one can."""
        if self.context.branch_epoch is not None:
            return "a race starts from new weights, and a branch from its parent's: race from s, with no run going"
        if refusal := self.context.race.refusal:
            return refusal
        return "" if len(self.racers) > 1 else "a race takes two: ctrl+k keeps this one, then choose another"

    def keep(self) -> tuple[str, bool]:
        """Keep the curve as a candidate, or take away the candidate that it is.

        Returns:
            What was done or why nothing was, in words, and whether anything was.
        """
        answer, count = self.current, len(self.candidates)
        if answer is None or answer.lrs is None:
            return "there is no curve to keep yet", False
        words = self.candidates.toggle(answer, self.anchor)
        return words, len(self.candidates) != count

    def next_anchor(self) -> bool:
        """Take the next anchor; return whether there is one to take."""
        if self.context.live is None:
            return False
        names = list(ANCHORS)
        self.anchor = names[(names.index(self.anchor) + 1) % len(names)]
        return True

    def take(self, answer: Answer) -> bool:
        """Keep an answer; return whether it is one that is wanted, by what is chosen or by a candidate."""
        of_candidate = self.candidates.take(answer)
        if answer.question == self.question:
            self.answer = answer
            return True
        return of_candidate

    def choice(self, *, restart: bool) -> PickerChoice | None:
        """Return what is chosen; None where that is no schedule."""
        if self.model.schedule is None or self.verdict.error is not None:
            return None
        return PickerChoice(str(self.model.schedule), self.anchor, restart)
