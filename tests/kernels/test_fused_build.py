"""The kernel's compilation: the cache, its failures, and two processes at once."""

import os
import stat
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path

import pytest
import torch

from memnets import NTM, BackendUnavailableError
from memnets.kernels import cpu
from memnets.kernels import dispatch as choice
from memnets.kernels.cpu import build, library

pytestmark = pytest.mark.skipif(cpu.unavailable(torch.float32) is not None, reason="no C compiler here")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and nothing remembered of earlier compilations."""

    def forget():
        for remembered in (library.load, cpu.unavailable, build._key):
            remembered.cache_clear()

    folder = tmp_path / "cache"
    monkeypatch.setenv("MEMNETS_CACHE", str(folder))
    monkeypatch.setattr(choice, "_said", set())
    forget()
    yield folder
    forget()


def test_compiles_quickly_and_once(cache):
    began = time.perf_counter()
    path = build.library(double=False)
    first = time.perf_counter() - began
    assert first < 15, f"took {first:.1f} s"  # 2 s on an idle machine
    assert list(cache.iterdir()) == [path]
    written = path.stat().st_mtime_ns
    began = time.perf_counter()
    assert build.library(double=False) == path
    assert path.stat().st_mtime_ns == written
    assert time.perf_counter() - began < 0.5


def test_the_key_changes_with_sources_flags_and_compiler(cache, monkeypatch):
    def key():
        build._key.cache_clear()
        return build._key(("cc",))

    keys = {key()}
    monkeypatch.setattr(build, "BASE_FLAGS", (*build.BASE_FLAGS, "-g"))
    keys.add(key())
    monkeypatch.setattr(build, "_processor", lambda: "another")
    keys.add(key())
    assert len(keys) == 3
    assert len({*keys, build._key(("gcc", "-g"))}) == 4


def one_warning(run):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run()
        run()
    found = [w for w in caught if "fused" in str(w.message)]
    assert len(found) == 1
    return str(found[0].message)


def falls_back(reason):
    ntm, inputs = NTM(3, 4), torch.randn(2, 3, 3)
    assert reason in one_warning(lambda: ntm(inputs))
    report = ntm.backend_report()
    assert report["reference"].startswith("chosen")
    assert reason in report["fused"]
    with pytest.raises(BackendUnavailableError, match=reason):
        NTM(3, 4, backend="fused")(inputs)


def test_no_compiler(cache, monkeypatch):
    monkeypatch.setenv("CC", "there-is-no-such-compiler")
    falls_back("no C compiler")


def test_a_compiler_that_fails(cache, monkeypatch):
    monkeypatch.setenv("CC", "false")
    falls_back("failed")
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written(cache):
    cache.write_text("a file where the folder should be")
    falls_back("MEMNETS_CACHE")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_home(cache):
    cache.mkdir()
    cache.chmod(stat.S_IRUSR | stat.S_IXUSR)
    falls_back("MEMNETS_CACHE")


def test_a_home_that_cannot_be_looked_into(cache, monkeypatch):
    looked = Path.is_file

    def is_file(path):
        if path.parent == cache:
            raise PermissionError(13, "Permission denied", str(path))
        return looked(path)

    monkeypatch.setattr(Path, "is_file", is_file)
    falls_back("set MEMNETS_CACHE")


def test_something_else_at_the_library_s_place(cache):
    path = build.library(double=False)
    path.unlink()
    path.mkdir()
    falls_back("remove what is there, or set MEMNETS_CACHE")
    assert [p.name for p in cache.iterdir()] == [path.name]


@pytest.mark.parametrize(("command", "reason"), [("  ", None), ('gcc "', "is not a command")])
def test_odd_commands_as_compiler(cache, monkeypatch, command, reason):
    monkeypatch.setenv("CC", command)
    if reason:
        falls_back(reason)
    else:
        assert build.compiler()


def test_a_relative_cache(cache, monkeypatch):
    cache.mkdir()
    monkeypatch.chdir(cache)
    monkeypatch.setenv("MEMNETS_CACHE", ".")
    assert NTM(3, 4, backend="fused")(torch.randn(2, 3, 3))[0].shape == (2, 3, 24)


def test_a_damaged_library_is_named(cache):
    path = build.library(double=False)
    path.write_bytes(b"not a library")
    falls_back("cannot be loaded")


def test_two_processes_compile_at_once(cache):
    program = textwrap.dedent("""
        import torch, memnets
        ntm = memnets.NTM(3, 4, backend="fused")
        torch.manual_seed(0)
        print(ntm(torch.randn(2, 3, 3))[0].shape)
    """)
    source = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{source}:{source / 'tasks'}"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for process in started:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err.decode()
        assert b"torch.Size([2, 3, 24])" in out
    assert len(list(cache.iterdir())) == 1
