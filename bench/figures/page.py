"""The page: opened -> lesson readable, and click on "Start talking" -> first sound heard."""

import argparse
import asyncio

from playwright.async_api import Browser, async_playwright

from bench.baselines.livekit_agents import delete_room
from bench.result import Measured, summarise
from harness.browser import agree_if_asked, launch_browser
from harness.learner import Account
from harness.stack import Stack, running_stack

ANSWER_MS = 30_000
# times in ms since the page was opened; heard: the tutor's track is louder than silence
MEASURE = """
  const at = (name) => (document.documentElement.dataset[name] ??= performance.now());
  addEventListener('click', () => at('clicked'), true);
  new MutationObserver(() => {
    if (!document.querySelector('.pas')) return;
    requestAnimationFrame(() => setTimeout(() => at('readable')));
  }).observe(document, { subtree: true, childList: true });
  let analyser = null;
  const samples = new Float32Array(256);
  setInterval(() => {
    const stream = document.querySelector('audio')?.srcObject;
    if (!stream) return;
    if (analyser === null) {
      const context = new AudioContext();
      analyser = new AnalyserNode(context, { fftSize: 256 });
      context.createMediaStreamSource(stream).connect(analyser);
    }
    analyser.getFloatTimeDomainData(samples);
    if (Math.max(...samples) > 0.01) at('heard');
  }, 5);
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None besides `--runs`: each uses a new browser profile and a new room."""


async def run(arguments: argparse.Namespace) -> Measured:
    readable, heard = [], []
    with running_stack() as stack:
        account = await Account(stack.url, "Bench").sign_in()
        course = await account.get_course()
        await account.close()
        module = course["modules"][0]["id"]
        async with async_playwright() as playwright:
            browser = await launch_browser(playwright)
            for number in range(1, arguments.runs + 1):
                await close_room(stack, f"{course['id']}-{module}")
                times = await open_and_start(browser, stack, module)
                readable.append(times["readable"])
                heard.append(times["heard"] - times["clicked"])
                print(
                    f"run {number} of {arguments.runs}: readable {readable[-1]:.0f} ms,"
                    f" first sound {heard[-1]:.0f} ms",
                    flush=True,
                )
            await browser.close()
    opened = summarise(readable)
    return Measured(
        unit="ms",
        ours=summarise(heard),
        quality={"readable_p50_ms": opened.p50, "readable_p95_ms": opened.p95},
    )


async def open_and_start(browser: Browser, stack: Stack, module: str) -> dict[str, float]:
    context = await browser.new_context(base_url=stack.url, permissions=["microphone"])
    page = await context.new_page()
    page.set_default_timeout(ANSWER_MS)
    await page.request.post("/auth/dev-login", data={"name": "Bench"})
    await page.add_init_script(MEASURE)
    await page.goto(f"/v2/course/ml-intro/module/{module}")
    await agree_if_asked(page)
    await page.get_by_text("We can hear you").wait_for()
    await page.get_by_role("button", name="Start talking").click()
    await page.locator("html[data-heard]").wait_for()
    marks: dict[str, str] = await page.evaluate("({ ...document.documentElement.dataset })")
    await context.close()
    return {name: float(marks[name]) for name in ("readable", "clicked", "heard")}


async def close_room(stack: Stack, name: str) -> None:
    await delete_room(stack.settings, name)
    await asyncio.sleep(1)  # the worker ends the closed room's session
