"""What came of the statements of a spec: each is judged by the tables of a run."""

from gradlab.analysis.expectations.judge import Judgement, judge, judge_run

__all__ = ["Judgement", "judge", "judge_run"]
