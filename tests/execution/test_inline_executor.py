"""The executor that works in this process: outcomes, and errors that end the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gradlab.cell import Cell, Named, cell_id
from gradlab.errors import DataError, GradlabError, UsageError
from gradlab.execution.inline import InlineExecutor
from gradlab.planning.banks import Bank


class TestInlineExecutor:
    bank = Bank("b", (Cell(lr=0.1),))

    def test_gives_one_outcome_per_bank_and_a_failure_is_one_of_them(self, fake: Callable[..., list[str]]) -> None:
        fake(fail="relu")
        executor = InlineExecutor("fake_work:train", "cpu")
        other = Bank("c", (Cell(lr=0.1, activation=Named("tanh")),))
        executor.submit(self.bank)
        executor.submit(other)
        bad, good = executor.outcomes()
        assert (bad.bank, bad.result, bad.error) == (self.bank, None, "RuntimeError: no such luck with relu")
        assert bad.traceback.startswith("Traceback")
        assert good.result is not None
        assert [record.cell for record in good.result.records] == [cell_id(other.cells[0])]
        assert list(executor.outcomes()) == []

    def test_a_work_function_that_is_not_there_ends_the_run(self) -> None:
        executor = InlineExecutor("no.such:thing", "cpu")
        executor.submit(self.bank)
        message = "the workers cannot load no.such:thing: ModuleNotFoundError: No module named 'no'"
        with pytest.raises(GradlabError, match=message):
            list(executor.outcomes())

    def test_closed_it_forgets_what_waits(self) -> None:
        executor = InlineExecutor("no.such:thing", "cpu")
        executor.submit(self.bank)
        executor.close()
        executor.close()
        assert list(executor.outcomes()) == []

    def test_a_usage_error_ends_the_run(self) -> None:
        executor = InlineExecutor("gradlab.execution.worker:train", "cuda:99")
        executor.submit(self.bank)
        with pytest.raises(UsageError, match="--device cuda:99: torch finds"):
            list(executor.outcomes())

    def test_a_data_file_that_cannot_be_used_ends_the_run(self, tmp_path: Path) -> None:
        (tmp_path / "d.csv").write_text("a,y\n" + "1,2\n" * 9)
        params = (("path", str(tmp_path / "d.csv")), ("target", "z"), ("kind", "regression"))
        executor = InlineExecutor("gradlab.execution.worker:train", "cpu")
        executor.submit(Bank("0" * 16, (Cell(task=Named("table", params), lr=0.1),)))
        with pytest.raises(DataError, match=r"d\.csv: there is no column 'z'"):
            list(executor.outcomes())
