#!/bin/sh
# Compares what holds over-fitting down: LeNet-5 on the first 2,000 images of MNIST. Further arguments are those of
# `cnn compare`, such as --data FOLDER, --parallel 2, or --seeds 1.
home=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P) || exit 1
exec "$home/cnn" compare "$home/examples/comparisons/regularization.cnn" \
  --vary "none: train=Plain" \
  --vary "L1: train=L1" \
  --vary "L2: train=L2" \
  --vary "dropout: train=Dropout" \
  --vary "batch norm: train=BatchNorm" \
  --vary "early stopping: train=Plain; early-stop=monitor=val_loss patience=3 restore=best" \
  --seeds 3 --threads 1 "$@"
