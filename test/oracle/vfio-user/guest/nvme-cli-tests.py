"""Runs the tests of nvme-cli's source package against one controller, one result a line: name, outcome, reason.

Their set-up deletes all namespaces and makes one over the whole drive.

Usage: nvme-cli-tests.py FOLDER CONTROLLER NAMESPACE RESULTS
"""
import json
import os
import sys
import unittest

FOLDER, CONTROLLER, NAMESPACE, RESULTS = sys.argv[1:5]

# Where the tests look for their configuration.
os.makedirs("/tmp/work/tests")
os.chdir("/tmp/work")
with open("tests/config.json", "w") as config:
    json.dump({"controller": CONTROLLER, "ns1": NAMESPACE, "log_dir": "/tmp/work/logs/"}, config)
sys.path.insert(0, FOLDER)


class Outcomes(unittest.TestResult):
    def __init__(self, file):
        super().__init__()
        self.file = file

    def tell(self, test, outcome, reason=""):
        name = type(test).__name__
        self.file.write(f"{name}\t{outcome}\t{' '.join(reason.split())}\n")
        self.file.flush()

    def addSuccess(self, test):
        self.tell(test, "passed")

    def addSkip(self, test, reason):
        self.tell(test, "skipped", reason)

    def addFailure(self, test, err):
        self.tell(test, "failed", str(err[1]))

    addError = addFailure


modules = sorted(
    name[:-3] for name in os.listdir(FOLDER) if name.startswith("nvme_") and name.endswith("_test.py")
)
with open(RESULTS, "w") as results:
    # A test replaces stdout for good; the next one starts with the real one.
    out, err = sys.stdout, sys.stderr
    for module in modules:
        sys.stdout, sys.stderr = out, err
        unittest.defaultTestLoader.loadTestsFromName(module).run(Outcomes(results))
