/// A step of one's own leaves the garbage collector what its own code makes anew, besides TorchSharp's.
module CnnCluster.Tests.Trainer.Training.OwnStepAllocationTests

open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Samples
open CnnCluster.Tests.Trainer.Training.AllocationCases
open CnnCluster.Tests.Trainer.Training.AllocationMeter
open CnnCluster.Tests.Trainer.Training.FunctionsByHand
open CnnCluster.Tests.Trainer.Training.OwnStepCases
open CnnCluster.Tests.Trainer.Training.OwnStepsByHand
open CnnCluster.Trainer.Training

type private Functional = torch.nn.functional

let private classifier = planOf "    conv 4 5x5 stride=2 tanh" ""

let private restorer =
    Replicas.plan
        $"""
shared critic {{
    conv 4 5x5 stride=2 tanh
    flatten
    dense 1
}}

network Restorer {{
    input left 28x28x1
    input right 28x28x1
    from left
    critic
    output real
    from right
    conv 1 3x3 pad=same tanh
    critic
    output restored
}}

train Restorer {{
    data digit-pairs train={BatchSize * Steps} test={BatchSize * Steps}
    loss binary-cross-entropy on=real target=same
    optimizer sgd lr=0.01
    batch {BatchSize}
    seed 3
}}
"""

/// Changes the dense layer alone.
type private LastLayer() =
    inherit OwnStep(OwnLoss("label", Trains = fun weight -> weight.StartsWith "dense"))

    override _.Forward slice =
        [| Functional.cross_entropy (slice.Outputs[0], slice.Targets[0], reduction = torch.nn.Reduction.None) |]

/// What it hands over are arrays of its own.
type private Noisy() =
    inherit OwnStep(OwnLoss "label", OwnLoss("consistency", Weight = 0.5))
    let shape = [| 1L; 28L; 28L |]
    let given: torch.Tensor[] = Array.zeroCreate 1
    let losses: torch.Tensor[] = Array.zeroCreate 2

    override _.Forward slice =
        let image = slice.Inputs[0]
        given[0] <- image.add (slice.Normal("noise", shape), alpha = Scalars.Of 0.1)
        let clean, noisy = slice.Outputs[0], (slice.Run given)[0]
        losses[0] <- Functional.cross_entropy (clean, slice.Targets[0], reduction = torch.nn.Reduction.None)
        losses[1] <- (clean.softmax 1L - noisy.softmax 1L).Squared().sum 1L
        losses

let private keeping () =
    let losses: torch.Tensor[] = Array.zeroCreate 2

    fun critic restorer ->
        losses[0] <- critic
        losses[1] <- restorer
        losses

let private cases: (string * TrainPlan * (unit -> OwnStep) * (unit -> OwnCalls)) list =
    [ "one loss, in F#", classifier, (fun () -> CrossEntropy()), crossEntropy
      "one loss that changes some weights, in F#", classifier, (fun () -> LastLayer()), crossEntropyOfLast
      "two losses, two passes and noise, in F#", classifier, (fun () -> Noisy()), twoPasses
      "two losses that change their own weights each, in F#",
      restorer,
      (fun () -> OwnSteps.Adversarial()),
      (fun () -> adversarial (fun critic restorer -> [| critic; restorer |]))
      "the same in C#, in a list that it keeps",
      restorer,
      (fun () -> Adversarial()),
      (fun () -> adversarial (keeping ())) ]

[<Tests>]
let tests =
    testList
        "Trainer.Allocation of own steps"
        [ for name, plan, makeStep, byHand in cases do
              let data = lazy TrainingCatalogues.Load(plan, null)

              test $"a step allocates what its own calls do, and nothing besides: {name}" {
                  let own = (ofSessions 1 plan data.Value makeStep ofSteps)[0]
                  agree own (bytesByHand (byHand >> stepOfOwn)) "the session"
              }

              test $"so does a validation batch: {name}" {
                  let own = (ofSessions 1 plan data.Value makeStep ofValidation)[0]
                  agree own (bytesByHand (byHand >> validationOfOwn)) "the session"
              } ]
