"""Scheduling of banks: publish, retry, halve or fail each of them, and stop a run. No tensors, no processes."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gradlab.cell import SETTINGS, Cell
from gradlab.execution.base import Executor, Outcome
from gradlab.execution.progress import Listener, ProgressTracker
from gradlab.execution.provenance import Provenance
from gradlab.planning.banks import Bank, bank_of, estimate
from gradlab.store import RunDirectory
from gradlab.store.records import Failure

__all__ = ["Policy", "Scheduler"]

_ALIKE = 5
"""Banks that fail for the same reason, before any has succeeded, until the run stops."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy on failures."""

    fail_fast: bool = False
    retries: int | None = None
    """How often a failed bank is retried; None: once after the death of its worker, which may be chance, else never."""


class Scheduler:
    """Submits banks until each is published or has failed for good.

    A bank that ran out of memory is halved, down to single cells: the halves are banks of their own, and the numbers of
    a cell do not depend on its bank.
    """

    def __init__(
        self, directory: RunDirectory, provenance: Provenance, executor: Executor, listener: Listener, policy: Policy
    ) -> None:
        self._directory, self._provenance, self._executor = directory, provenance, executor
        self._listener, self._policy = listener, policy
        self._tries: Counter[str] = Counter()
        self._open: dict[str, Bank] = {}
        self._alike: list[Outcome] = []
        self.failures: list[Failure] = []
        self.repeatable: list[Failure] = []
        """Those of `failures` that are exceptions of the work function: the same cells would fail again."""
        self.computed = 0
        self.interrupted = False
        self.stopped = ""
        """Why the run ended early, other than by an interrupt; empty if it did not."""

    def run(self, banks: Sequence[Bank]) -> None:
        """Run `banks`, the longest first. An interrupt ends that early, and so does a GradlabError, which is raised."""
        tracker = ProgressTracker(banks, self._executor.workers, lambda: self._executor.ready)
        try:
            for bank in sorted(banks, key=lambda bank: -estimate(bank).seconds):
                self._submit(bank)
            self._listener.advance(tracker.progress(), None)
            for outcome in self._executor.outcomes():
                final = self._settle(outcome, tracker)
                if final is None:
                    continue
                tracker.count(final)
                self._listener.advance(tracker.progress(), final)
                self.stopped = self._reason_to_stop(final)
                if self.stopped:
                    self._log(self.stopped)
                    return
            self.interrupted = bool(self._open)
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            self._listener.rest()
        if self.interrupted:
            self._log("interrupted")

    def _submit(self, bank: Bank) -> None:
        self._open[bank.id] = bank
        self._executor.submit(bank, str(self._directory.checkpoint(bank.id)))

    def _settle(self, outcome: Outcome, tracker: ProgressTracker) -> Outcome | None:
        """Return the final outcome of a bank, published or failed for good; None when it is retried or halved."""
        bank = outcome.bank
        if outcome.result is not None:
            self._provenance.publish(outcome)
            self.computed += len(bank.cells)
            del self._open[bank.id]
            if outcome.result.resumed_at:
                self._log(f"bank {bank.id} went on from its checkpoint at step {outcome.result.resumed_at}")
            return outcome
        self._log(f"bank {bank.id} failed in {outcome.worker}: {outcome.error}\n{outcome.traceback}")
        if outcome.cause == "memory" and len(bank.cells) > 1:
            half = len(bank.cells) // 2
            halves = [bank_of(bank.cells[:half]), bank_of(bank.cells[half:])]
            self._tell(f"bank {bank.id}: out of memory; its {len(bank.cells)} cells go on as {_sizes(halves)}")
            tracker.halve(bank, halves)
            del self._open[bank.id]
            for half_bank in halves:
                self._submit(half_bank)
            return None
        self._tries[bank.id] += 1
        if self._tries[bank.id] <= self._allowed(outcome):
            self._tell(f"bank {bank.id}: {outcome.error}; it is tried again")
            self._submit(bank)
            return None
        del self._open[bank.id]
        outcome = dataclasses.replace(outcome, error=self._final(outcome))
        failures = [Failure(cell, outcome.error, bank.id) for cell in bank.cells]
        self.failures += failures
        if outcome.cause == "exception":
            self.repeatable += failures
        return outcome

    def _allowed(self, outcome: Outcome) -> int:
        if self._policy.retries is None:
            return 1 if outcome.cause == "death" else 0
        return self._policy.retries

    def _final(self, outcome: Outcome) -> str:
        if outcome.cause == "memory" and "out of memory" not in outcome.error.lower():
            return f"out of memory: {outcome.error}"
        times = self._tries[outcome.bank.id]
        return f"{outcome.error}, {times} times" if outcome.cause == "death" and times > 1 else outcome.error

    def _reason_to_stop(self, outcome: Outcome) -> str:
        if outcome.result is not None:
            self._alike.clear()
            return ""
        if self._policy.fail_fast:
            return "stopped at the first failure"
        if self.computed or outcome.cause == "memory":
            return ""
        if self._alike and _reason(self._alike[0]) != _reason(outcome):
            return ""
        self._alike.append(outcome)
        waiting = [cell for bank in self._open.values() for cell in bank.cells]
        failed = [cell for alike in self._alike for cell in alike.bank.cells]
        if len(self._alike) < _ALIKE or not waiting or _peculiar(failed, waiting):
            return ""
        return f"stopped, as all of the first {len(self._alike)} banks failed for one reason: {self._alike[0].error}"

    def _tell(self, message: str) -> None:
        self._listener.say(message)
        self._log(message)

    def _log(self, message: str) -> None:
        self._directory.log(message)


def _reason(outcome: Outcome) -> str:
    return re.sub(r"0x[0-9a-f]+|\d+", "#", outcome.error)


def _sizes(banks: Sequence[Bank]) -> str:
    return " and ".join(str(len(bank.cells)) for bank in banks)


def _peculiar(failed: Sequence[Cell], succeeded: Sequence[Cell]) -> bool:
    """Return whether the failed cells share a component (an activation, say) that not all others have."""
    for field in SETTINGS.values():
        if field.is_component:
            values = {getattr(cell, field.attribute) for cell in failed}
            if len(values) == 1 and any(getattr(cell, field.attribute) not in values for cell in succeeded):
                return True
    return False
