"""Compilation of generated kernels: the cache, its failures, its safety, and two processes at once."""

import json
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
from memnets.kernels import dispatch as choice
from memnets.kernels.generate import build
from memnets.kernels.generate import cache as cache_module


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and nothing remembered of earlier compilations."""

    def forget():
        for remembered in (build._identity, cache_module._private_folder, build.vector_bytes):
            remembered.cache_clear()

    folder = tmp_path / "cache"
    monkeypatch.setenv("MEMNETS_CACHE", str(folder))
    monkeypatch.setattr(choice, "_said", set())
    forget()
    yield folder
    forget()


def fused(inputs=None):
    torch.manual_seed(0)
    ntm = NTM(3, 4, slots=5, width=2, backend="fused")
    with torch.no_grad():
        return ntm(torch.linspace(-1, 1, 18).view(2, 3, 3))[0]


def want():
    torch.manual_seed(0)
    with torch.no_grad():
        return NTM(3, 4, slots=5, width=2, backend="reference")(torch.linspace(-1, 1, 18).view(2, 3, 3))[0]


def files(folder):
    return sorted(path.suffix for path in folder.iterdir())


def library(folder):
    (path,) = folder.glob("*.so")
    return path


def test_compiles_quickly_and_once(cache):
    began = time.process_time()
    first = fused()
    assert time.process_time() - began < 20  # 2 s on an idle machine
    assert files(cache) == [".json", ".so"]
    written = library(cache).stat().st_mtime_ns
    began = time.process_time()
    assert torch.equal(fused(), first)
    assert library(cache).stat().st_mtime_ns == written
    assert time.process_time() - began < 0.5
    assert torch.allclose(first, want(), atol=1e-6)
    for file in cache.iterdir():  # another program's name
        file.rename(file.with_stem("0" * len(file.stem)))
    assert cache_module._noted(library(cache)) is None


def test_equal_cells_share_a_library_and_others_do_not(cache):
    inputs = torch.zeros(1, 2, 3)
    for slots in (5, 5, 6):
        NTM(3, 4, slots=slots, width=2, backend="fused")(inputs)
    assert files(cache) == [".json", ".json", ".so", ".so"]
    NTM(3, 4, slots=5, width=2, backend="fused").double()(inputs.double())
    assert len(files(cache)) == 6


def test_the_key_changes_with_flags_and_processor(cache, monkeypatch):
    def identity(*command):
        build._identity.cache_clear()
        return build._identity(command)

    keys = {identity("cc"), identity("gcc", "-g")}
    monkeypatch.setattr(build, "BASE_FLAGS", (*build.BASE_FLAGS, "-g"))
    keys.add(identity("cc"))
    monkeypatch.setattr(build, "_processor", lambda: "another")
    keys.add(identity("cc"))
    assert len(keys) == 4


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
    assert files(cache) == []


def test_a_compiler_that_never_ends(cache, monkeypatch, tmp_path):
    script = tmp_path / "slow"
    script.write_text("#!/bin/sh\nsleep 1000 &\necho $! > " + str(tmp_path / "pid") + "\nwait\n")
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    monkeypatch.setattr(build, "TIMEOUT", 1)
    falls_back("took longer than 1 s")
    child = Path("/proc") / (tmp_path / "pid").read_text().strip()
    for _ in range(50):
        time.sleep(0.1 if child.exists() else 0)
    assert not child.exists() or "zombie" in (child / "status").read_text()


@pytest.mark.parametrize(("command", "reason"), [("  ", None), ('gcc "', "is not a command")])
def test_odd_commands_as_compiler(cache, monkeypatch, command, reason):
    monkeypatch.setenv("CC", command)
    if reason:
        falls_back(reason)
    else:
        assert build.compiler()


def in_a_private_folder(caplog, cache):
    with caplog.at_level("WARNING", logger="memnets"):
        assert torch.allclose(fused(), want(), atol=1e-6)
        fused()
    (record,) = [r for r in caplog.records if "MEMNETS_CACHE" in r.message]
    return record.message


def test_a_file_in_the_cache_s_place(cache, caplog):
    cache.write_text("a file where the folder should be")
    assert str(cache) in in_a_private_folder(caplog, cache)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_home(cache, caplog):
    cache.mkdir()
    cache.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert "cannot be written" in in_a_private_folder(caplog, cache)


def test_a_cache_that_others_may_write_is_not_used(cache, caplog):
    cache.mkdir()
    cache.chmod(0o777)
    assert "may be written by others" in in_a_private_folder(caplog, cache)
    assert files(cache) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_cache_of_another_user_is_not_used(cache, caplog):
    cache.mkdir()
    os.chown(cache, 65534, 65534)
    assert "belongs to another user" in in_a_private_folder(caplog, cache)


def planted_is_replaced(cache, plant):
    fused()
    path = library(cache)
    good = path.read_bytes()
    plant(path)
    assert torch.allclose(fused(), want(), atol=1e-6)
    assert library(cache).read_bytes() == good
    assert not library(cache).is_symlink()


@pytest.mark.parametrize("content", [b"", b"not a library", None], ids=["empty", "other", "truncated"])
def test_a_damaged_library_is_built_again(cache, content):
    def plant(path):
        damaged = path.read_bytes()[:5000] if content is None else content
        path.unlink()  # this process has it mapped
        path.write_bytes(damaged)

    planted_is_replaced(cache, plant)


def test_a_link_in_a_library_s_place_is_not_followed(cache, tmp_path):
    def plant(path):
        other = tmp_path / "other.so"
        other.write_bytes(path.read_bytes())
        path.unlink()
        path.symlink_to(other)

    planted_is_replaced(cache, plant)


@pytest.mark.parametrize("note", ["", "{}", "[]", None, '{"sha256": "0", "layout": {}}'])
def test_a_damaged_note_is_written_again(cache, note):
    """None stands for sizes that are other than those of the library, by which tensors are checked."""

    def plant(path):
        file = path.with_suffix(".json")
        other = json.loads(file.read_text())
        other["layout"]["more"] = 1
        file.write_text(json.dumps(other) if note is None else note)

    fused()
    (path,) = cache.glob("*.json")
    good = json.loads(path.read_text())
    planted_is_replaced(cache, plant)
    assert json.loads(path.read_text())["layout"] == good["layout"]


def test_a_cache_through_a_link_is_that_which_was_looked_at(cache, tmp_path, monkeypatch):
    """And no longer the link, which may be exchanged."""
    cache.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(cache)
    monkeypatch.setenv("MEMNETS_CACHE", str(tmp_path / "link"))
    assert cache_module.usable_folder() == cache.resolve()


def test_something_else_at_the_library_s_place(cache):
    fused()
    path = library(cache)
    path.unlink()
    path.mkdir()
    with pytest.raises(BackendUnavailableError, match="remove what is there, or set MEMNETS_CACHE"):
        fused()
    assert library(cache) == path


def test_a_relative_cache(cache, monkeypatch):
    cache.mkdir(mode=0o700)
    monkeypatch.chdir(cache)
    monkeypatch.setenv("MEMNETS_CACHE", ".")
    fused()
    assert files(cache) == [".json", ".so"]


def test_what_killed_builds_left_is_removed_at_the_next_start(cache):
    """But not what is being built, or is no build's; and also where nothing has to be built."""
    fused()
    for name, age in (("build-killed", 20), ("build-at-work", 20), ("build-just-begun", 0), ("mine", 9000)):
        (cache / name).mkdir()
        (cache / name / "x.c").write_text("")
        os.utime(cache / name, (time.time() - age,) * 2)
    with cache_module._at_work(str(cache / "build-at-work")):
        fused()
    assert sorted(path.name for path in cache.iterdir() if path.is_dir()) == [
        "build-at-work",
        "build-just-begun",
        "mine",
    ]


def test_a_later_process_neither_generates_nor_compiles(cache):
    program = textwrap.dedent("""
        import os, torch, memnets
        from memnets.kernels.generate import build, program
        ntm = memnets.NTM(3, 4, slots=5, width=2, backend="fused")
        began = sum(os.times()[:4])  # of the processor, compilers included
        ntm(torch.zeros(2, 3, 3))[0].sum().backward()
        print(sum(os.times()[:4]) - began)
    """)
    times = [float(run(program)) for _ in range(2)]
    assert times[1] < 0.2 < times[0]


def run(program):
    source = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{source}:{source / 'tasks'}"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_processes_compile_at_once(cache):
    program = textwrap.dedent("""
        import torch, memnets
        ntm = memnets.NTM(3, 4, backend="fused")
        print(ntm(torch.zeros(2, 3, 3))[0].shape)
    """)
    source = Path(__file__).parents[2]
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
    assert files(cache) == [".json", ".so"]


def test_a_compiler_without_openmp_says_so_and_the_remedy(cache, monkeypatch, tmp_path, capsys):
    from memnets.cli import main

    fake = tmp_path / "fake-cc"
    real = " ".join(build.compiler())
    fake.write_text(
        '#!/bin/sh\ncase "$*" in *-fopenmp*) echo "x.c:1:10: fatal error: \'omp.h\' file not found"; exit 1;; esac\n'
        f'exec {real} "$@"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("CC", str(fake))
    with pytest.warns(RuntimeWarning, match=r"one thread: .*fake-cc has no OpenMP.*omp\.h.*libomp"):
        assert torch.allclose(fused(), want(), atol=1e-6)
    assert build.openmp_missing(tuple(real.split())) is None
    monkeypatch.setattr("memnets.cli.doctor._backends", lambda: [])
    assert main(["doctor"]) == 0
    assert "fake-cc has no OpenMP" in capsys.readouterr().out
