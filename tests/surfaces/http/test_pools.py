"""Operations that wait for another machine keep no others waiting."""

from __future__ import annotations

import asyncio
import threading

from overnight.surfaces.http.pools import MOST_ASKED, Pools


def test_logs_of_a_machine_that_does_not_answer_keep_nothing_else_waiting() -> None:
    pools, answers = Pools(), threading.Event()

    async def ask() -> str:
        waiting = [asyncio.create_task(pools.run("log", lambda: answers.wait(30))) for _ in range(MOST_ASKED - 1)]
        await asyncio.sleep(0)
        try:
            return await asyncio.wait_for(pools.run("get_run", lambda: "quick"), 10)
        finally:
            answers.set()
            await asyncio.gather(*waiting)

    try:
        assert asyncio.run(ask()) == "quick"
    finally:
        pools.close()
