"""Opens one local page in headless Chromium and prints as JSON what a reader would complain about.

    browse.py PAGE [SCREENSHOTS]

For each width and colour scheme: requests, console messages, overflow, drawings without a size, text that is hard to
read. Speaks the DevTools protocol over pipes; needs nothing beside Python and Chromium.
"""
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile

LIMIT_SECONDS = 60

# Sizes in CSS pixels. Contrast as WCAG 2.1 defines it; what lies behind a text is the nearest opaque background.
PROBE = r"""
(() => {
  const luminance = ([r, g, b]) => {
    const f = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
  };
  const rgba = text => {
    const n = text.match(/[\d.]+/g).map(Number);
    return n.length === 3 ? [...n, 1] : n;
  };
  const behind = node => {
    for (; node; node = node.parentElement) {
      const colour = rgba(getComputedStyle(node).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode, parent = node.parentElement;
    if (!node.data.trim() || parent.closest("style, title, script") || !parent.getClientRects().length) continue;
    const style = getComputedStyle(parent);
    const inDrawing = parent instanceof SVGElement;
    const colour = rgba(inDrawing ? style.fill : style.color);
    const [a, b] = [luminance(colour), luminance(behind(parent))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faint.push(`${node.data.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  const drawings = [...document.querySelectorAll("svg")];
  const cut = [];
  for (const drawing of drawings) {
    const frame = drawing.getBoundingClientRect();
    for (const text of drawing.querySelectorAll("text")) {
      const box = text.getBoundingClientRect();
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1 || box.top < frame.top - 1)
        cut.push(text.textContent);
    }
  }
  const crossing = [];
  for (const drawing of drawings) {
    const texts = [...drawing.querySelectorAll("text")].map(t => [t.textContent, t.getBoundingClientRect()]);
    texts.forEach(([a, p], i) => texts.slice(i + 1).forEach(([b, q]) => {
      if (p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 2 && q.top < p.bottom - 2) crossing.push(`${a} / ${b}`);
    }));
  }
  return {
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    drawings: drawings.length,
    empty: drawings.filter(d => { const b = d.getBoundingClientRect(); return !b.width || !b.height; }).length,
    smallest: Math.min(...drawings.flatMap(d => [...d.querySelectorAll("text")].map(t =>
      parseFloat(getComputedStyle(t).fontSize) * d.getBoundingClientRect().width / d.viewBox.baseVal.width)), 99),
    faint, cut, crossing,
    back: getComputedStyle(document.body).backgroundColor,
  };
})()
"""


class Browser:
    def __init__(self, folder):
        out_read, out_write = os.pipe()
        in_read, in_write = os.pipe()

        def descriptors():
            # Chromium reads commands from 3 and writes answers to 4.
            os.dup2(in_read, 103)
            os.dup2(out_write, 104)
            os.dup2(103, 3)
            os.dup2(104, 4)

        self.process = subprocess.Popen(
            [shutil.which("chromium"), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-extensions",
             "--hide-scrollbars", f"--user-data-dir={folder}", "--remote-debugging-pipe", "about:blank"],
            preexec_fn=descriptors, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(in_read)
        os.close(out_write)
        self.commands, self.answers = os.fdopen(in_write, "wb", 0), os.fdopen(out_read, "rb")
        self.number, self.events, self.rest = 0, [], b""

    def read(self):
        while b"\0" not in self.rest:
            block = os.read(self.answers.fileno(), 1 << 16)
            if not block:
                sys.exit("chromium has ended")
            self.rest += block
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self.commands.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def wait(self, method):
        while True:
            for event in self.events:
                if event.get("method") == method:
                    return
            self.events.append(self.read())


def visit(browser, url, width, scheme, screenshot):
    browser.events = []
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    page = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ["Page", "Network", "Runtime", "Log"]:
        browser.call(f"{domain}.enable", page)
    browser.call("Emulation.setDeviceMetricsOverride", page, width=width, height=900, deviceScaleFactor=1,
                 mobile=width < 500)
    browser.call("Emulation.setEmulatedMedia", page, features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.events = []
    browser.call("Page.navigate", page, url=url)
    browser.wait("Page.loadEventFired")
    browser.call("Runtime.evaluate", page, expression="document.querySelectorAll('details').forEach(d => d.open = true)")
    result = browser.call("Runtime.evaluate", page, expression=PROBE, returnByValue=True)
    if "exceptionDetails" in result:
        sys.exit(json.dumps(result["exceptionDetails"]))
    seen = result["result"]["value"]
    seen |= {"width": width, "scheme": scheme}
    events = [(event.get("method"), event.get("params", {})) for event in browser.events]
    seen["requests"] = [p["request"]["url"] for m, p in events if m == "Network.requestWillBeSent"]
    seen["messages"] = [p["entry"]["text"] for m, p in events if m == "Log.entryAdded"]
    seen["messages"] += [str(p) for m, p in events if m in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown")]
    if screenshot:
        size = browser.call("Page.getLayoutMetrics", page)["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": width, "height": min(size["height"], 16_000), "scale": 1}
        image = browser.call("Page.captureScreenshot", page, format="png", captureBeyondViewport=True, clip=clip)["data"]
        with open(f"{screenshot}/{scheme}-{width}.png", "wb") as file:
            file.write(base64.b64decode(image))
    browser.call("Target.closeTarget", targetId=target)
    return seen


def main():
    import signal

    signal.alarm(LIMIT_SECONDS)
    url = "file://" + os.path.realpath(sys.argv[1])
    folder = tempfile.mkdtemp(prefix="stadion-browse-")
    browser = Browser(folder)
    try:
        print(json.dumps([
            visit(browser, url, width, scheme, sys.argv[2] if len(sys.argv) > 2 else None)
            for width in (390, 1280) for scheme in ("light", "dark")]))
    finally:
        browser.process.kill()
        browser.process.wait()
        shutil.rmtree(folder, ignore_errors=True)


main()
