"""The ranks of a script under torch.distributed: they carry out a command at the same step, and compare their lrs."""

from __future__ import annotations

import os
import threading
import zlib
from array import array
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Self

import numpy as np
import torch
import torch.distributed as dist

from lrtui.attached.rank_group import ARRIVAL_SECONDS, RankGroup, RanksError, all_arrive, script_limit
from lrtui.attached.rank_watch import watch

# what the ranks exchange; of each element everyone gets the maximum over the ranks
COMMAND, LEAVING, STUCK, KIND, LOWEST_KIND, STEPS, FEWEST_STEPS, GROUPS, DIGEST, LOWEST_DIGEST = range(10)

# kinds of exchanges: which is next must be the same in all ranks
STEP, NEXT_COMMAND, RESULTS = range(3)

NOTHING = [0.0, 0.0, 0.0, *[float("-inf")] * 7]
"""The elements of a rank that has nothing to say."""

NOTED_SECONDS = 5.0
"""Seconds of waiting for another rank after which that one can see it."""

SHOWN_RANKS = 4
"""Most different lrs that a message shows."""


class Ranks:
    """This process among the ranks of its training.

    Each optimizer step starts one exchange of a few numbers (`begin`), which is waited for before the next step
    (`finish`): under DistributedDataParallel the ranks have met in between, so that it has arrived. Rank 0's commands
    are then handed to all ranks one at a time (`broadcast`). Only the thread that trains calls these.

    No rank waits for ever. One that dies or ends its run is noticed at once; one that waits in the script's own
    communication while others wait for its step gives way (`rank_watch`); one that is silent for another reason is
    waited for half as long as the script's own process group would, which never runs out because of that. Thereafter,
    as after different numbers of steps, the ranks go on without each other, and commands are refused.

    Args:
        group: the connections to the other ranks; None if there are none.
        problem: why the ranks can't act together; empty if they can.
    """

    _attached = 0
    """How many times `of_process` was called; equal in all ranks."""

    def __init__(self, rank: int, group: RankGroup | None, problem: str = "") -> None:
        self.rank = rank
        self.problem = problem
        """Why commands can't be carried out any more; empty while they can."""
        self.difference = ""
        """Which ranks' lrs differ now, and how; empty while they are equal."""
        self._group = group
        self._exchange: tuple[Any, torch.Tensor] | None = None
        """The exchange of the last step, and its vector."""
        self._failure: Exception | None = None
        self.steps = 0
        """Optimizer steps done."""
        self.thread = 0
        """The identifier of the thread that trains."""
        self._lrs: Sequence[float] = ()

    @classmethod
    def of_process(
        cls, report: Callable[[str], object] = lambda _: None, arrival_seconds: float = ARRIVAL_SECONDS
    ) -> Self | None:
        """Return this process's place among the ranks; None if it trains alone.

        Args:
            report: receives a sentence if rank 0 waits long for the others.
            arrival_seconds: how long to wait for the other ranks to call it.
        """
        if not (dist.is_available() and dist.is_initialized()):
            if os.environ.get("WORLD_SIZE", "1") in ("", "1") or "RANK" not in os.environ:
                return None
            return cls(
                int(os.environ["RANK"]),
                None,
                "lrtui.attach was called before torch.distributed.init_process_group, so that the ranks can't act"
                " together; call it afterwards",
            )
        rank, world_size = dist.get_rank(), dist.get_world_size()
        if world_size == 1:
            return None
        cls._attached += 1
        try:
            c10d: Any = dist.distributed_c10d
            store = c10d.PrefixStore(f"lrtui/attach/{cls._attached}", c10d._get_default_store())
            if all_arrive(store, world_size, arrival_seconds, report if rank == 0 else lambda _: None):
                ranks = cls(rank, RankGroup(store, rank, world_size, script_limit() / 2))
                watch(ranks)
                return ranks
            problem = (
                f"lrtui.attach was not called in all {world_size} ranks; call it in each of them, not only in rank 0"
            )
        # whatever the script's backend lacks
        except Exception as error:
            problem = f"the ranks could not be connected: {error}"
        return cls(rank, None, problem)

    def begin(self, lrs: Sequence[float], has_command: bool) -> None:
        """Start the exchange of an optimizer step that was just made.

        Args:
            lrs: the lrs of the step, one per parameter group.
            has_command: whether rank 0 has commands; of no effect in other ranks.
        """
        self.steps += 1
        group = self._group
        if group is None:
            return
        self.thread = threading.get_ident()
        self._lrs = lrs
        digest = float(zlib.crc32(array("d", lrs).tobytes()))
        has_command = has_command and self.rank == 0
        steps = self.steps
        # six times as fast as torch.tensor
        vector = torch.from_numpy(
            np.array([has_command, 0.0, 0.0, STEP, -STEP, steps, -steps, len(lrs), digest, -digest], np.float64)
        )
        try:
            self._exchange = group.start_maximum(vector), vector
        except RuntimeError as error:
            # raised by `finish`, where the caller expects it
            self._exchange, self._failure = None, error

    def finish(self) -> bool:
        """Wait for the exchange of the last step; return whether rank 0 has commands.

        If so, `broadcast` has to be called in all ranks until it returns None.

        Raises:
            RanksError: the ranks can't act together any more, for the reason in `problem`; raised once.
        """
        group = self._group
        if group is None:
            return False
        if self._exchange is None:
            if self._failure is not None:
                self._lose(self._failure)
            return False
        (work, vector), self._exchange = self._exchange, None
        try:
            _wait(group, work, self.steps)
            values = vector.tolist()
            self._check_for_end(values)
            self._check_steps(values)
            self._compare_lrs(group, int(values[GROUPS]), values[DIGEST] != -values[LOWEST_DIGEST])
        except (RuntimeError, RanksError) as error:
            self._lose(error)
        return bool(values[COMMAND])

    def broadcast(self, command_text: str | None) -> str | None:
        """Return rank 0's next command, in every rank; None if there is none.

        In a pause all ranks call it again and again, rank 0 at least once a second, so that an end is noticed.

        Args:
            command_text: the command; None in all ranks but 0, and in rank 0 if it has none.

        Raises:
            RanksError: the ranks can't act together any more.
        """
        return self._send(command_text, NEXT_COMMAND)

    def share_results(self, results: str) -> str:
        """Return what rank 0 has passed, in every rank; called in all ranks between the same two steps.

        Raises:
            RanksError: the ranks can't act together any more.
        """
        return self._send(results, RESULTS) or ""

    def _send(self, text: str | None, kind: int) -> str | None:
        """Return the text of rank 0; None if it has none."""
        group = self._group
        if group is None:
            raise RanksError(self.problem)
        size = len(text.encode()) if text is not None and self.rank == 0 else 0
        vector = torch.tensor([float(size), 0.0, 0.0, kind, -kind, *NOTHING[5:]], dtype=torch.float64)
        try:
            _wait(group, group.start_maximum(vector), self.steps + 1)
            values = vector.tolist()
            self._check_for_end(values)
            if not values[COMMAND]:
                return None
            return group.send_text(text if self.rank == 0 else None, int(values[COMMAND]))
        except (RuntimeError, RanksError) as error:
            self._lose(error)

    def leave(self) -> None:
        """Let the other ranks go on without this one; called at the end of its run, and harmless when repeated."""
        if self._group is None:
            return
        group, self._group = self._group, None
        group.say_farewell(torch.tensor([0.0, self.rank + 1.0, *NOTHING[2:]], dtype=torch.float64))

    # -- called by the thread that watches this rank ------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """Whether it exchanges steps with other ranks."""
        return self._group is not None

    def is_waited_for(self) -> bool:
        """Return whether another rank waits for the next step of this one."""
        group = self._group
        return group is not None and group.is_waited_for(self.steps + 1)

    def give_way(self) -> None:
        """Let the other ranks go on, since this one waits for them without making a step."""
        group, self._group = self._group, None
        if group is not None:
            self.problem = _stuck(self.rank)
            group.say_farewell(torch.tensor([0.0, 0.0, self.rank + 1.0, *NOTHING[3:]], dtype=torch.float64))

    # -- what the exchange has brought --------------------------------------------------------------------------------

    def _check_for_end(self, values: Sequence[float]) -> None:
        if values[LEAVING]:
            raise RanksError(f"rank {values[LEAVING] - 1:.0f} has ended its run before the others")
        if values[STUCK]:
            raise RanksError(_stuck(int(values[STUCK]) - 1))
        if values[KIND] != -values[LOWEST_KIND]:
            raise RanksError("a command was obeyed in some ranks only")

    def _check_steps(self, values: Sequence[float]) -> None:
        most, fewest = values[STEPS], -values[FEWEST_STEPS]
        if most != fewest:
            raise RanksError(
                f"the ranks have made different numbers of optimizer steps ({fewest:.0f} to {most:.0f}), so that there"
                " is no step at which all could act"
            )

    def _compare_lrs(self, group: RankGroup, size: int, are_different: bool) -> None:
        """Note how the ranks' lrs differ; all ranks call it with the same arguments."""
        if not are_different:
            self.difference = ""
        elif not self.difference:
            self.difference = _described(group.gather(self._lrs, size), self.steps - 1)

    def _lose(self, error: Exception) -> NoReturn:
        group, self._group, self._exchange = self._group, None, None
        if group is not None:
            group.close()
        self.problem = self.problem or str(error)
        raise RanksError(self.problem) from error


def _wait(group: RankGroup, work: Any, step: int) -> None:
    """Wait for an operation that other ranks start after a step, counted from 1."""
    if not group.wait(work, NOTED_SECONDS):
        group.note_wait(step)
        group.wait(work)


def _stuck(rank: int) -> str:
    return f"rank {rank} makes fewer optimizer steps than the others, and waits for them elsewhere"


def _described(lrs_of_ranks: Sequence[Sequence[float]], step: int) -> str:
    """Return a sentence with the lrs of the ranks; empty if they are equal (0.0 and -0.0).

    Args:
        step: optimizer steps done before the one with these lrs.
    """
    ranks_of: dict[tuple[float, ...], list[str]] = {}
    for rank, lrs in enumerate(lrs_of_ranks):
        ranks_of.setdefault(tuple(lrs), []).append(str(rank))
    if len(ranks_of) < 2:
        return ""
    parts = [
        f"{', '.join(map(repr, lrs))} on rank{'s' * (len(ranks) > 1)} {', '.join(ranks[:SHOWN_RANKS])}"
        + ", ..." * (len(ranks) > SHOWN_RANKS)
        for lrs, ranks in list(ranks_of.items())[:SHOWN_RANKS]
    ]
    more = "; ..." if len(ranks_of) > SHOWN_RANKS else ""
    return f"the ranks' learning rates differ at step {step}: {'; '.join(parts)}{more}"
