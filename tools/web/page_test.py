#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""page_test.py [--picture FILE]: build/why.html in headless Chromium, opened as a file, without a network.
Each of the six public dumps goes in by the address's fragment; what the page then shows is compared with what
`vmcs12 why` says. --picture also takes a picture of one answer."""
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse

EXPECTED = {
    "04": ["This entry did not fail.", "Nothing printed breaks a rule."],
    "06": ["Broken: data_accessed", "guest_ds_ar", "0xc0f2", "0xc0f3"],
    "13": ["This entry did not fail."],
    "20": ["Broken: guest_cr3", "0x800000001a02f080"],
    "26": ["Broken: msr_access", "0x1ffff80676f52be5"],
    "31": ["Broken: guest_cr0", "0x11"],
}


def browser(*options):
    with tempfile.TemporaryDirectory() as profile:
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                   "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=4000",
                   f"--user-data-dir={profile}", *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def address(name):
    with open(f"tests/data/vmcs-dumps/{name}.txt", encoding="utf-8") as f:
        return "file://" + os.path.abspath("build/why.html") + "#" + urllib.parse.quote(f.read())


def main():
    os.chdir(os.path.dirname(os.path.abspath(__file__)) + "/../..")
    failed = 0
    for name, words in EXPECTED.items():
        page = browser("--dump-dom", address(name))
        shown = re.sub(r"<script>.*?</script>|<[^>]*>", " ", page.split('id="answer"')[-1], flags=re.S)
        shown = re.sub(r"\s+", " ", shown)
        missing = [w for w in words if w not in shown]
        wrong = [w for w in re.findall(r"Broken: (\w+)", shown) if "Broken: " + w not in words]
        print(f"{'FAIL' if missing or wrong else 'ok  '}  {name}", *missing, *wrong)
        failed += bool(missing or wrong)
    if sys.argv[1:2] == ["--picture"]:
        browser("--window-size=1000,800", f"--screenshot={os.path.abspath(sys.argv[2])}", address("06"))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
