"""The remote side outlives our processes: what a killed one had done is there, and what it had not done is not."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from madang.adapters.sandbox.sms import SandboxSmsSender
from madang.ports.context import ProviderContext

Build = Callable[..., Any]

SENDER = """
import asyncio, pathlib, sys
from madang.adapters.sandbox.settings import SandboxSettings
from madang.adapters.sandbox.sms import SandboxSmsSender
from madang.ports.context import ProviderContext
from madang.ports.secret import Secret
from madang.ports.sms import SmsRequest

async def main():
    context = ProviderContext("", pathlib.Path(sys.argv[1]), Secret("test-key-not-secret"), "test")
    sender = SandboxSmsSender(SandboxSettings(latency=float(sys.argv[2])), context)
    print("sending", flush=True)
    await sender.send(SmsRequest("+821012345678", "hello", "sms-1", timeout=300))

asyncio.run(main())
"""


async def sending(data_dir: Path, latency: float) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SENDER,
        str(data_dir),
        str(latency),
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"sending\n"
    return process


async def killed(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.wait()


async def test_a_message_whose_sender_was_killed_while_it_waited_for_the_answer_was_sent(
    sandbox: Build, context: ProviderContext
) -> None:
    process = await sending(context.data_dir, latency=4.0)
    sender = sandbox(SandboxSmsSender)
    for _ in range(1000):
        if found := await sender.find("sms-1"):
            break
        await asyncio.sleep(0.02)
    assert process.returncode is None
    await killed(process)
    assert await sender.find("sms-1") == found is not None


async def test_a_message_whose_sender_was_killed_on_the_way_was_not_sent(sandbox: Build, context: ProviderContext) -> None:
    process = await sending(context.data_dir, latency=500.0)
    await killed(process)
    assert await sandbox(SandboxSmsSender).find("sms-1") is None


@pytest.mark.parametrize("writers", [4])
async def test_processes_share_one_world_and_one_key_sends_once(sandbox: Build, context: ProviderContext, writers: int) -> None:
    processes = [await sending(context.data_dir, latency=0.0) for _ in range(writers)]
    assert [await process.wait() for process in processes] == [0] * writers
    sender = sandbox(SandboxSmsSender)
    count = await sender._gate.world.run(lambda c: c.execute("SELECT count(*) FROM messages").fetchone()[0])
    assert count == 1
