"""TensorBoard's event files, by TensorBoard's own messages and record writer. Needs the extra `tensorboard`."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from gradlab.errors import UsageError, printable
from gradlab.record import Floats

__all__ = ["Events", "require"]

_BINS = 30
_VERSION = "brain.Event:2"


def require() -> None:
    """Raise UsageError where TensorBoard is not installed."""
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        raise UsageError(
            "TensorBoard is not installed", "pip install tensorboard, or pip install '.[tensorboard]' in the clone"
        ) from None


class Events:
    """One event file in memory; every event carries the same time stamp (seconds since 1970)."""

    def __init__(self, stamp: float) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._stamp = stamp
        self._bytes = io.BytesIO()
        self._writer = RecordWriter(self._bytes)
        self._write(file_version=_VERSION)

    def step(self, step: int, scalars: Mapping[str, float], histograms: Mapping[str, Floats]) -> None:
        """Add what belongs to one step: tags with a number or with values [n]. What is not finite is left out."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=tag, simple_value=number) for tag, number in scalars.items() if np.isfinite(number)]
        for tag, numbers in histograms.items():
            finite = numbers[np.isfinite(numbers)]
            if len(finite):
                values.append(Summary.Value(tag=tag, histo=_histogram(finite)))
        if values:
            self._write(step=step, summary=Summary(value=values))

    def hyper_parameters(self, name: str, settings: Mapping[str, float | str | bool]) -> None:
        """Add the hyper-parameters of the run, for the HParams tab."""
        from tensorboard.plugins.hparams import metadata
        from tensorboard.plugins.hparams.api_pb2 import Status
        from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

        start = SessionStartInfo(group_name=name, start_time_secs=self._stamp)
        for key, value in settings.items():
            kind = (
                "bool_value"
                if isinstance(value, bool)
                else "string_value"
                if isinstance(value, str)
                else "number_value"
            )
            setattr(start.hparams[key], kind, printable(value) if isinstance(value, str) else value)
        end = SessionEndInfo(status=Status.Value("STATUS_SUCCESS"), end_time_secs=self._stamp)
        for tag, content in (
            (metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start)),
            (metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end)),
        ):
            self._session(tag, metadata.create_summary_metadata(content), metadata.NULL_TENSOR)

    def _session(self, tag: str, meta: Any, nothing: Any) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write(summary=Summary(value=[Summary.Value(tag=tag, metadata=meta, tensor=nothing)]))

    def _write(self, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._writer.write(Event(wall_time=self._stamp, **content).SerializeToString())

    def content(self) -> bytes:
        """Return the file."""
        return self._bytes.getvalue()


def _histogram(values: Floats) -> Any:
    """Return the values [n], all finite, as TensorBoard has a histogram: right edges of the bins, and counts.

    Bins of equal width between the smallest and the largest value, around a single one of a hundredth.
    """
    from tensorboard.compat.proto.summary_pb2 import HistogramProto

    low, high = float(values.min()), float(values.max())
    begin, width = (low, high - low) if high > low else (low - 0.005, 0.01)
    bins = min(_BINS, 2 * len(values) - 1)
    counts = np.bincount(np.minimum((values - begin) * (bins / width), bins - 1).astype(int), minlength=bins)
    return HistogramProto(
        min=low,
        max=high,
        num=len(values),
        sum=float(values.sum()),
        sum_squares=float(values @ values),
        bucket_limit=[*(begin + width * edge / bins for edge in range(bins)), max(high, begin + width)],
        bucket=[0.0, *counts.tolist()],
    )
