/// A script whose train parts are compared, and the reading of its variants.
module CnnCluster.Tests.Trainer.Comparison.Comparisons

open CnnCluster.Dsl
open CnnCluster.Trainer.Comparison
open CnnCluster.Trainer.Training

/// A network with more between its layers, and weights of its own besides.
let private script =
    """
network Plain {
    input 28x28x1
    conv 4 5x5 stride=3 relu
    flatten
    dense 10
}

network Richer {
    input 28x28x1
    conv 4 5x5 stride=3
    batchnorm relu
    dropout 0.2
    flatten
    dense 10 kernel-reg=l2(0.1)
}

train Plain {
    data digits train=64 test=32
    loss cross-entropy
    optimizer sgd lr=0.1
    batch 16
    epochs 2
    seed 5
}

train Richer {
    data digits train=64 test=32
    loss cross-entropy
    optimizer sgd lr=0.1
    batch 16
    epochs 2
    seed 9
}
"""

let private readTrain (train: string) changes =
    let part = if isNull train then "Plain" else train
    Script.Training({ File = "net.cnn"; Text = script }, part, changes, TrainingCatalogues.All)

let reading texts common =
    VariantReading.Of(texts, List.map Change.Set common, TrainReader readTrain)
