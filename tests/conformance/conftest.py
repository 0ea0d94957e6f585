"""One cluster for all tests, a table at the end."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib.fixtures import binary  # noqa: E402,F401  pylint: disable=unused-import,wrong-import-position

RESULTS = []


def pytest_runtest_logreport(report):
    if "::test_conformance[" in report.nodeid and (report.when == "call" or report.outcome != "passed"):
        name = report.nodeid.split("[")[1].rstrip("]")
        RESULTS.append((name, report.outcome, report.duration))


def pytest_terminal_summary(terminalreporter):
    if not RESULTS:
        return
    terminalreporter.write_line("")
    width = max(len(n) for n, _, _ in RESULTS)
    for name, outcome, seconds in RESULTS:
        terminalreporter.write_line(f"{name:{width}}  {outcome:7} {seconds:6.2f} s")
