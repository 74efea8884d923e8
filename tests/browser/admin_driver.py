"""The admin page of a real server that has weeks behind it."""

import asyncio
import contextlib
import importlib.util
import time
from pathlib import Path

from visavis.apps.live_benchmark import start_server
from visavis.apps.server.store import Store

SIMULATED = Path(__file__).parents[1] / "apps/server/simulated_days.py"


@contextlib.contextmanager
def serve_weeks(folder, sessions):
    """Yield the address of a server with weeks of records; its tokens are ``guest`` and ``boss``."""
    asyncio.run(_fill(folder))
    settings = {
        "VISAVIS_SERVER_TOKEN": "guest", "VISAVIS_SERVER_ADMIN_TOKEN": "boss",
        "VISAVIS_KNOWLEDGE": str(folder / "knowledge.db"),
    }  # fmt: skip
    with start_server(sessions, environment=settings, data=folder) as (address, _, _):
        yield address


async def _fill(folder):
    described = importlib.util.spec_from_file_location("simulated_days", SIMULATED)
    simulated = importlib.util.module_from_spec(described)
    described.loader.exec_module(simulated)
    store = Store(folder)
    await store.open()
    await simulated.simulate(store, days=20)
    await store.close()


def wait_for(page, what, limit=20):
    until = time.monotonic() + limit
    while not page.run(f"return !!({what})"):
        assert time.monotonic() < until, f"{what}: {page.run('return document.body.innerText')}"
        time.sleep(0.1)


def go(page, tab):
    page.run(f"location.hash = '{tab}'")
    wait_for(page, f"document.querySelector('nav [aria-current]')?.hash === '#{tab}'")
    wait_for(page, "!document.querySelector('main').innerText.includes('Loading')")
