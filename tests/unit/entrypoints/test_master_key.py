"""The master key: from the settings, or made once by whoever is first, and never half."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from madang.entrypoints.master_key import FILE, key_ring, master_key
from madang.entrypoints.settings import Settings
from madang.ports.errors import Misconfigured

ASK = """
import sys
from madang.entrypoints.master_key import master_key
from madang.entrypoints.settings import Settings
print("ready", flush=True)
sys.stdin.readline()
print(master_key(Settings()).reveal())
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    return Settings(data_dir=tmp_path / "data")


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_key_is_made_once_for_its_owner_alone_and_kept(settings: Settings) -> None:
    first = master_key(settings)
    kept = settings.data_dir / FILE
    assert len(first.reveal()) >= 32
    assert master_key(settings) == first
    assert kept.read_text().strip() == first.reveal()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700
    assert files_in(settings.data_dir) == [FILE]
    assert first.reveal() not in repr(first)


def test_another_folder_has_another_key(settings: Settings, tmp_path: Path) -> None:
    assert master_key(settings) != master_key(settings.model_copy(update={"data_dir": tmp_path / "other"}))


def test_a_key_that_is_configured_is_used_and_none_is_made(tmp_path: Path) -> None:
    configured = Settings(data_dir=tmp_path / "data", secret_key="test-key-not-secret-test-key-not-secret")
    assert master_key(configured).reveal() == "test-key-not-secret-test-key-not-secret"
    assert not (tmp_path / "data").exists()


def test_twenty_threads_at_once_get_one_key(settings: Settings) -> None:
    together = Barrier(20)

    def ask(_: int) -> str:
        together.wait()
        return master_key(settings).reveal()

    with ThreadPoolExecutor(20) as pool:
        keys = set(pool.map(ask, range(20)))
    assert len(keys) == 1
    assert files_in(settings.data_dir) == [FILE]


def test_several_processes_at_once_get_one_key(tmp_path: Path) -> None:
    environment = {**os.environ, "MADANG_DATA_DIR": str(tmp_path / "data")}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    asking = [subprocess.Popen([sys.executable, "-c", ASK], cwd=tmp_path, env=environment, **pipes) for _ in range(6)]
    for process in asking:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in asking:
        assert process.stdin is not None
        process.stdin.write("now\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=60)[0] for process in asking}
    assert len(keys) == 1
    assert keys == {(tmp_path / "data" / FILE).read_text().strip() + "\n"}


def test_a_process_that_died_while_making_it_leaves_no_half_key(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", die)
        with pytest.raises(KeyboardInterrupt):
            master_key(settings)
    assert files_in(settings.data_dir) == []
    assert len(master_key(settings).reveal()) >= 32


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff\xfe\x00"], ids=["empty", "short", "not text"])
def test_a_kept_key_that_is_none_is_told_by_its_file_and_not_replaced(settings: Settings, content: bytes) -> None:
    settings.data_dir.mkdir()
    kept = settings.data_dir / FILE
    kept.write_bytes(content)
    with pytest.raises(Misconfigured) as told:
        key_ring(settings)
    assert str(kept) in told.value.message
    assert "short\n" not in told.value.message
    assert kept.read_bytes() == content


def test_a_kept_key_that_cannot_be_read_is_told_by_its_file(settings: Settings) -> None:
    (settings.data_dir / FILE).mkdir(parents=True)
    with pytest.raises(Misconfigured, match=r"secret\.key"):
        master_key(settings)


def test_a_folder_that_cannot_be_made_is_told(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    blocked = settings.model_copy(update={"data_dir": tmp_path / "file" / "data"})
    with pytest.raises(Misconfigured, match=r"secret\.key"):
        master_key(blocked)


def test_what_an_older_key_sealed_is_still_opened(tmp_path: Path) -> None:
    old, new = ("test-key-not-secret-" + word * 3 for word in ("older", "newer"))
    before = key_ring(Settings(data_dir=tmp_path, secret_key=old))
    after = key_ring(Settings(data_dir=tmp_path, secret_key=new, older_secret_keys=[old]))
    assert after.key_ids == (after.current_id, before.current_id)
