"""Pictures of the console for ``docs/console.md`` and ``docs/archive.md``, and the time its frames take.

Against an API in this process.
"""

import argparse
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from pipelines.storage.layout import JobKeys
from tests.servers import free_port
from tests.support.console_server import ConsoleServer, long_transcript

PICTURES = Path(__file__).parents[1] / "docs" / "assets"
WIDE = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
LIGHT, DARK = {"color_scheme": "light"}, {"color_scheme": "dark"}
ENGLISH, CHINESE = {"locale": "en-GB"}, {"locale": "zh-CN"}
SETTLE_MS = 1500

# Scrolls an element to its end in steps of a screen, one a frame; gives the time between frames in ms.
SCROLL = """async ([selector, n]) => {
  const element = document.querySelector(selector);
  const times = [];
  let before = performance.now();
  for (let step = 0; step < n; step++) {
    element.scrollTop += element.clientHeight;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    times.push(now - before);
    before = now;
  }
  return times;
}"""
# Types a word letter by letter, three frames each.
TYPE = """async ([selector, word]) => {
  const input = document.querySelector(selector);
  const times = [];
  let before = performance.now();
  for (const letter of word) {
    input.value += letter;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    for (let frame = 0; frame < 12; frame++) {
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      times.push(now - before);
      before = now;
    }
  }
  return times;
}"""

# Begins to correct, changes a passage, undoes it; twenty frames each.
CORRECT = """async () => {
  const times = [];
  let before = performance.now();
  const frames = async (n) => {
    for (let frame = 0; frame < n; frame++) {
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      times.push(now - before);
      before = now;
    }
  };
  const click = async (element) => (element.click(), await frames(20));
  await click(document.querySelector("button.correct"));
  await click(document.querySelectorAll(".line .words")[3]);
  const editor = document.querySelector("textarea.edit");
  editor.value = "Something else.";
  editor.blur();
  await frames(20);
  await click(document.querySelector('.correcting [data-part="undo"]'));
  return times;
}"""


def take(browser: Browser, url: str, console: ConsoleServer, jobs: dict[str, Any], only: Collection[str]) -> None:
    """Take all pictures, or those that are named."""
    PICTURES.mkdir(exist_ok=True)

    def picture(name: str, path: str, *options: dict[str, Any], then: Any = None) -> None:
        if only and name not in only:
            return
        context = browser.new_context(**{key: value for some in options for key, value in some.items()})
        page = context.new_page()
        page.goto(f"{url}/{path}")
        page.wait_for_timeout(SETTLE_MS)
        if then:
            then(page)
            page.wait_for_timeout(SETTLE_MS)
        page.screenshot(path=str(PICTURES / f"{name}.png"))
        context.close()

    def stage(page: Page) -> None:
        data = Path(__file__).parents[1] / "tests" / "data"
        page.set_input_files("#files", [data / "short.mp3", data / "call-stereo.opus", data / "empty.wav"])

    def listen(page: Page) -> None:
        page.locator("li.line .words").nth(6).click()

    def correct(page: Page) -> None:
        page.locator("button.correct").click()
        page.locator(".line .words").nth(3).click()
        page.keyboard.press("ControlOrMeta+A")
        page.keyboard.type("Hello, this is Davide from engineering.")
        page.keyboard.press("Enter")
        page.locator("button.compare").click()

    def write_anew(page: Page) -> None:
        page.locator('[data-part="anew"]').click()

    def do_again(page: Page) -> None:
        page.get_by_role("tab", name="Details").click()
        page.locator('[data-part="redo"]').click()
        page.get_by_role("radio", name="Speakers").check()

    def check_log(page: Page) -> None:
        page.locator(".card button").first.click()

    def job(name: str) -> str:
        return f"#/jobs/{jobs[name].id}"

    picture("jobs", "", WIDE, LIGHT, ENGLISH)
    picture("submit", "", WIDE, LIGHT, ENGLISH, then=stage)
    picture("transcript", job("meeting"), WIDE, LIGHT, ENGLISH, then=listen)
    picture("transcript-dark", job("call"), WIDE, DARK, CHINESE, then=listen)
    picture("correct", job("meeting"), WIDE, LIGHT, ENGLISH, then=correct)
    picture("minutes-form", job("call"), WIDE, DARK, ENGLISH, then=write_anew)
    picture("redo", job("meeting"), WIDE, LIGHT, ENGLISH, then=do_again)
    picture("phone-correct", job("meeting"), PHONE, LIGHT, CHINESE, then=correct)
    picture("cluster", "#/cluster", WIDE, LIGHT, ENGLISH)
    picture("phone-jobs", "", PHONE, LIGHT, CHINESE)
    picture("phone-transcript", job("meeting"), PHONE, DARK, ENGLISH)
    console.add_batch("october-calls", done=180, failed=3, live=8, to_come=409, age_s=8000)
    console.add_batch("board-2026", done=12, failed=0, live=0, to_come=0, age_s=90_000)
    console.index()
    picture("search", f"#/search/{quote('q=release&within=transcripts')}", WIDE, LIGHT, ENGLISH)
    keep_and_delete(console, url, jobs)
    narrow = {"viewport": {"width": 1280, "height": 640}}
    picture("review", "#/review", narrow, LIGHT, ENGLISH)
    picture("audit", "#/keeping/audit", narrow, LIGHT, ENGLISH, then=check_log)
    picture("holds", "#/keeping/holds/released%3Dtrue", narrow, LIGHT, ENGLISH)
    picture("hidden", job("hidden"), WIDE, LIGHT, ENGLISH, then=listen)
    picture("batches", "#/batches", WIDE, LIGHT, ENGLISH)
    picture("phone-batches", "#/batches", PHONE, DARK, CHINESE)


def keep_and_delete(console: ConsoleServer, url: str, jobs: dict[str, Any]) -> None:
    """Have some jobs read, held, released and deleted, and one that hides words, over HTTP as people do."""

    def ask(method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(url + path, data, {"content-type": "application/json"}, method=method)
        with urlopen(request) as answer:
            return json.load(answer)

    ask("PUT", f"/v1/jobs/{jobs['meeting'].id}/hold", {"name": "Doe v. Acme", "reason": "letter of 12 May"})
    matter = {"name": "Matter 17", "reason": "request of the regulator", "metadata": ["matter=17", "kind=*"]}
    ended = ask("POST", "/v1/holds", matter)
    ask("DELETE", f"/v1/holds/{ended['id']}?reason=settled")
    for name in ("failed", "cancelled"):
        keys = JobKeys(tenant=jobs[name].tenant, job_id=jobs[name].id)
        for part in ("transcript.json", "minutes.docx"):
            console.store.put(keys.result(part), part.encode() * 300)
        ask("DELETE", f"/v1/jobs/{jobs[name].id}?purge=true")
    for name in ("meeting", "call"):
        ask("GET", f"/v1/jobs/{jobs[name].id}/results/transcript.json")
    ask("GET", "/v1/search?q=release")
    jobs["hidden"] = console.add_hidden("customer-call-0815.flac")


def measure(browser: Browser, url: str, long_job: str) -> None:
    """Print how long frames take: the median, the 95th percentile and the longest, in ms."""

    def report(what: str, times: list[float]) -> None:
        ordered = sorted(times)
        at = lambda share: ordered[min(len(ordered) - 1, int(share * len(ordered)))]  # noqa: E731 - twice in one line
        print(f"{what}: {len(times)} frames, median {at(0.5):.0f}, 95 % {at(0.95):.0f}, longest {ordered[-1]:.0f} ms")

    page = browser.new_page(**WIDE)
    page.goto(url)
    page.wait_for_timeout(SETTLE_MS)
    report("1,000 jobs, scroll", page.evaluate(SCROLL, [".scroller", 90]))
    report("1,000 jobs, search", page.evaluate(TYPE, [".filters input", "call-0042"]))
    page.goto(f"{url}/#/jobs/{long_job}")
    page.wait_for_timeout(2 * SETTLE_MS)
    report("three hours, scroll", page.evaluate(SCROLL, [".text .scroller", 150]))
    report("three hours, search", page.evaluate(TYPE, [".tools input", "release"]))
    report("three hours, correct", page.evaluate(CORRECT))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="console-screenshots", description="Take the console's pictures for docs/console.md."
    )
    parser.add_argument("--only", nargs="+", default=(), metavar="NAME", help="take these pictures only")
    parser.add_argument("--fluid", action="store_true", help="measure how long frames take instead")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        console = ConsoleServer(Path(folder))
        jobs = console.fill()
        console.add_quarantined(jobs["meeting"], 40.0, 44.0, "RuntimeError: CUDA error: device-side assert triggered")
        console.change(jobs["meeting"], n_failed_chunks=1)
        console.add_many(1000)
        long_job = console.add_done("three-hours.wav", long_transcript(3.0), age_s=100_000)
        port = free_port()
        server = uvicorn.Server(uvicorn.Config(console.app, port=port, log_config=None, lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.05)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        url = f"http://127.0.0.1:{port}"
        try:
            if given.fluid:
                measure(browser, url, long_job.id)
            else:
                take(browser, url, console, jobs, given.only)
        finally:
            browser.close()
            server.should_exit = True
            thread.join()


if __name__ == "__main__":
    main()
