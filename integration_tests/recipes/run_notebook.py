"""Runs cells as a notebook: a JSON list of them on stdin, the notebook on stdout."""

import json
import sys

import nbformat  # type: ignore[import-not-found]  # of an environment of its own
from nbclient import NotebookClient  # type: ignore[import-not-found]

cells = [nbformat.v4.new_code_cell(cell) for cell in json.load(sys.stdin)]
notebook = nbformat.v4.new_notebook(cells=cells)
NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
print(nbformat.writes(notebook))
