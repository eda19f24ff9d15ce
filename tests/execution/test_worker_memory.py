"""What the allocator of a worker does with memory that is free again, counted in page faults."""

from __future__ import annotations

import os
import platform

import pytest

from gradlab.execution.processes import starting

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="settings of glibc")

CODE = """os import environ
import resource
import numpy as np
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())"""
PAGES = 2**24 * 8 // 2**21
"""128 MB in the largest pages that Linux gives unasked."""


def faults_of_the_second_array() -> int:
    reader, writer = os.pipe()
    output = starting.output_file()
    try:
        process = starting._python(CODE, writer, output)
        assert process.wait(60) == 0
        output.seek(0)
        return int(output.read())
    finally:
        output.close()
        os.close(reader)
        os.close(writer)


def test_a_worker_writes_into_the_memory_that_it_has_just_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in starting.ALLOCATOR:
        monkeypatch.delenv(name, raising=False)
    assert faults_of_the_second_array() < PAGES // 2


def test_what_the_user_has_set_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in starting.ALLOCATOR:
        monkeypatch.setenv(name, "131072")
    assert faults_of_the_second_array() >= PAGES
