#!/usr/bin/env python3
"""Times cnn's training of LeNet-5 against PyTorch's, in turn, and prints the ratio of each pair and its median.

Usage: compare.py [PAIRS]      (default 5; PYTHON names the interpreter that has torch, else this one)

Both train on one thread with the same batch; cnn's figure is that of its second epoch, so that neither pays for
starting up. Machines drift, so only the ratios of neighbouring runs mean anything.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = os.environ.get("PYTHON", sys.executable)
BATCHES = (32, 64, 256)
IMAGES = 24_000


def cnn(batch, workers):
    with tempfile.TemporaryDirectory() as folder:
        command = [HERE.parent / "cnn", "train", HERE / "lenet5.cnn", "--json", "--out", pathlib.Path(folder, "run"),
                   "--threads", "1", "--workers", str(workers), "--set", f"batch={batch}"]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    epochs = [event for event in map(json.loads, lines) if event["event"] == "epoch"]
    return epochs[-1]["images_per_second"]


def pytorch(batch):
    command = [PYTHON, HERE / "pytorch_lenet5.py", "1", str(batch), str(IMAGES // batch)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print("batch   cnn images/s   PyTorch images/s   ratio, median (least to greatest)")
    for batch in BATCHES:
        runs = [(cnn(batch, 1), pytorch(batch)) for _ in range(pairs)]
        ratios = sorted(ours / theirs for ours, theirs in runs)
        ours, theirs = (statistics.median(column) for column in zip(*runs))
        print(f"{batch:5} {ours:14,.0f} {theirs:18,.0f}   {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


main()
