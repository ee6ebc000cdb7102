/// What the tests of steps of one's own have in common.
module CnnCluster.Tests.Trainer.Training.OwnStepCases

open TorchSharp
open CnnCluster.Trainer.Training
open CnnCluster.Tests.Trainer.Training.Replicas

/// 37 samples in batches of 16: the last has five, so that slices are uneven, and empty from six ranks on.
let settings precision =
    $"    data digits train=37 test=10\n    optimizer sgd lr=0.05 momentum=0.9\n    precision {precision}\n    batch 16\n    metric accuracy\n"

let plain precision = plan (small "" (settings precision))

/// A step that computes what a script's `loss cross-entropy` does.
type CrossEntropy() =
    inherit OwnStep(OwnLoss "label")

    override _.Forward slice =
        [| torch.nn.functional.cross_entropy (slice.Outputs[0], slice.Targets[0], reduction = torch.nn.Reduction.None) |]
