#!/bin/sh
# Compares optimizers: LeNet-5 on MNIST, each with its usual learning rate. Further arguments are those of `cnn compare`, such
# as --data FOLDER, --parallel 2, or --seeds 1.
home=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P) || exit 1
exec "$home/cnn" compare "$home/examples/comparisons/optimizers.cnn" \
  --vary "SGD: optimizer=sgd lr=0.01" \
  --vary "momentum: optimizer=sgd lr=0.01 momentum=0.9" \
  --vary "Nesterov: optimizer=sgd lr=0.01 momentum=0.9 nesterov" \
  --vary "Adagrad: optimizer=adagrad lr=0.01" \
  --vary "Adadelta: optimizer=adadelta lr=1" \
  --vary "RMSprop: optimizer=rmsprop lr=0.001" \
  --vary "Adam: optimizer=adam lr=0.001" \
  --vary "Nadam: optimizer=nadam lr=0.001" \
  --seeds 3 --threads 1 "$@"
