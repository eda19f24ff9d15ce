"""Connecting to a Ray cluster, or starting one for this run."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

from gradlab.errors import UsageError

__all__ = ["connect", "load_ray", "placement"]

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_OBJECT_STORE_BYTES = 256 * 2**20
"""Of a cluster started here; a bank's records are some megabytes at most, and are fetched as soon as they exist."""

_ANSWER_S = 5.0
"""How long an address may take to accept a connection."""


def load_ray() -> Any:
    """Return the module ``ray`` with its messages turned off. Raises UsageError where it is not installed."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            "--executor ray needs Ray, which is not installed here",
            "pip install ray, or pip install '.[ray]' in the clone",
        ) from error
    return ray


def connect(ray: Any, address: str | None, workers: int) -> None:
    """Connect to the cluster at `address`, or start one with `workers` CPUs (0: all) on this machine.

    Raises UsageError when nothing answers, or Ray cannot work with what does.
    """
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        options |= {"address": "local", "include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
        options["_node_ip_address"] = "127.0.0.1"  # for this run alone: it need not be seen from elsewhere
        if workers:
            options["num_cpus"] = workers
    else:
        _check_answers(address)
        options["address"] = address
    inner: Any = getattr(getattr(ray, "_private", None), "worker", None)
    if hasattr(inner, "print_to_stdstream"):  # what Ray says of its nodes goes to stdout, where --json has its document
        inner.print_to_stdstream = lambda *_, **__: None
    try:
        ray.init(**options)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        flags = f"--address {address}" if address else "--executor ray"
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UsageError(
            f"{flags}: no Ray cluster to work with: {reason}",
            "start one (ray start --head) and name its address, or leave --address out to start one for this run",
        ) from error


def _check_answers(address: str) -> None:
    """Raise UsageError at once if nothing answers; Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # auto, local, or something that Ray itself will refuse
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S).close()
    except OSError as error:
        raise UsageError(
            f"--address {address}: nothing answers there ({error.strerror or error})",
            "start a cluster with ray start --head, which prints its address, or leave --address out",
        ) from error


def placement(ray: Any, device: str) -> tuple[str, str]:
    """Return the resource that a bank takes, and the device of its job. Raises UsageError if there is none."""
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0))
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(
            f"--device {device}: with --executor ray the cluster chooses the GPU", "use --device cuda, cpu or auto"
        )
    if device == "cuda" and not gpus:
        raise UsageError("--device cuda: the Ray cluster has no GPU", "leave --device out, or use --device cpu")
    if device != "cpu" and gpus:
        return "GPU", "cuda"
    if not resources.get("CPU"):
        raise UsageError("the Ray cluster has no CPU to give", "start its nodes with --num-cpus")
    return "CPU", "cpu"
