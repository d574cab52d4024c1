#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""page.py PAGE WASM: the page with the program in it, so that one file is all."""
import base64
import sys

page = open(sys.argv[1], encoding="utf-8").read()
wasm = base64.b64encode(open(sys.argv[2], "rb").read()).decode()
sys.stdout.write(page.replace("@WASM@", wasm))
