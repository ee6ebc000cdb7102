/// Replicas of one script in this process: as many ranks as asked for, each on a thread of its own.
module CnnCluster.Tests.Trainer.Training.Replicas

open System
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Kernels.Collectives
open CnnCluster.Trainer.Data
open CnnCluster.Trainer.Training

/// A small network with everything whose sums could go wrong in uneven slices.
let small (layers: string) (settings: string) =
    $"""
network Small {{
    input 28x28x1
    conv 4 5x5 stride=2 tanh
    avgpool 2x2
{layers}
    flatten
    dense 10
}}

train Small {{
    loss cross-entropy
    seed 3
{settings}
}}
"""

/// Two inputs that go through one tower, and three losses on two outputs.
let pairs (tower: string) (settings: string) =
    $"""
shared tower {{
    conv 4 5x5 stride=2 tanh
    {tower}
    avgpool 3x3
    flatten
    dense 8 tanh kernel-reg=l2(1e-3)
}}

network Pairs {{
    input left 28x28x1
    input right 28x28x1
    concat {{ from left; tower }} {{ from right; tower }} as both
    dense 19
    output total
    from both
    dense 1
    output apart
}}

train Pairs {{
    data digit-pairs train=37 test=10
    loss cross-entropy on=total target=sum
    loss huber on=apart target=difference weight=0.5
    loss mae on=apart target=difference weight=0.25
    metric accuracy on=total target=sum
    metric mae on=apart
    precision float64
    batch 16
    seed 3
{settings}
}}
"""

let plan text : TrainPlan =
    let result =
        Script.Training({ File = "test.cnn"; Text = text }, null, [||], TrainingCatalogues.All)

    match result.Value with
    | null -> failwith result.Text
    | training -> training.Plan

let learningRate (plan: TrainPlan) = plan.CreateRule().LearningRate

/// A rank's loader over the plan's training samples, where each rank has its share of a batch.
let loaderOf shares (plan: TrainPlan) (data: DataSet) (collective: ICollective) =
    BatchLoader(
        data.Train,
        plan.Batch,
        collective.Rank.Value,
        shares,
        plan.Seed,
        TrainingCatalogues.AugmentationsOf plan,
        plan.Batch,
        ShardDeal.Of(plan, collective.Rank.Value, collective.WorldSize.Value)
    )

/// A rank's loader over the plan's training samples.
let loader plan data (collective: ICollective) =
    loaderOf (Array.replicate collective.WorldSize.Value 1) plan data collective

/// What a rank ends with.
type Ended =
    {
        Hash: string
        Parameters: float[]
        Buffers: float[]
        Losses: float list
        /// The further figures of each step, as means.
        Figures: float list list
    }

let flat (tensor: torch.Tensor) =
    use host = tensor.``to``(torch.float64).cpu()
    host.data<double>().ToArray()

let private train makeStep wire (plan: TrainPlan) (data: DataSet) epochs (collective: ICollective) =
    use replica = new Replica(plan, torch.CPU, collective, makeStep (), wire)
    let loader = loader plan data collective

    let steps =
        [ for epoch in 1..epochs do
              replica.BeginEpoch()

              for batches in loader.TrainEpoch(epoch, 0) |> Seq.chunkBySize (plan.Accumulate * loader.Parts) ->
                  let step = replica.Take(batches, learningRate plan, false)
                  // Its figures are another's with the next step.
                  step.Loss, [ for figure in step.Figures -> figure / float step.Samples ] ]

    { Hash = ReplicaState.WeightsHash replica
      Parameters = flat replica.Arena.Parameters
      Buffers = flat replica.Buffers.Current
      Losses = List.map fst steps
      Figures = List.map snd steps }

/// Trains by a step of one's own (null for the script's losses) in a world of this size; every rank's end.
let trainedBy (makeStep: unit -> OwnStep) world epochs (plan: TrainPlan) =
    let data = TrainingCatalogues.Load(plan, null)
    Ranks.onRanks world (train makeStep (Nullable()) plan data epochs)

/// The reduced gradient of the first step, as rank 0 has it.
let gradientBy (makeStep: unit -> OwnStep) world (plan: TrainPlan) =
    let data = TrainingCatalogues.Load(plan, null)

    Ranks.onRanks world (fun collective ->
        use replica = new Replica(plan, torch.CPU, collective, makeStep ())
        let mutable gradient = [||]
        replica.Reduced <- fun r -> gradient <- flat r.Arena.Gradients
        let batch = (loader plan data collective).TrainEpoch(1, 0) |> Seq.head
        replica.Take([| batch |], 0.0, false) |> ignore
        gradient)
    |> Array.head

let trained world epochs plan =
    trainedBy (fun () -> null) world epochs plan

/// Trains on ranks that are joined otherwise, with what their gradients become on the way.
let trainedOver (collectives: ICollective[]) wire epochs (plan: TrainPlan) =
    let data = TrainingCatalogues.Load(plan, null)

    Ranks.disposing collectives (fun collectives ->
        Ranks.onThreads collectives (train (fun () -> null) wire plan data epochs)
        |> Ranks.all)

/// ‖a − b‖ / ‖a‖
let distance (a: float[]) (b: float[]) =
    let norm (v: float seq) = sqrt (v |> Seq.sumBy (fun x -> x * x))
    let difference = norm (Seq.map2 (-) a b)
    if difference = 0.0 then 0.0 else difference / norm a

/// Settings under which sums are the same to float64's digits.
let exact =
    "    optimizer sgd lr=0.05 momentum=0.9\n    precision float64\n    batch 16\n"

let withBatchNorm = "    batchnorm\n    dropout 0.3"

/// N ranks end where one does, in float64, epoch after epoch.
let agrees world (plan: TrainPlan) =
    let alone = (trained 1 2 plan)[0]
    let together = trained world 2 plan
    Expect.allEqual (together |> Array.map _.Hash) together[0].Hash "every rank has the same weights"
    Expect.isLessThan (distance alone.Parameters together[0].Parameters) 1e-12 "weights"
    Expect.isLessThan (distance alone.Buffers together[0].Buffers) 1e-12 "running statistics"

    for a, b in List.zip alone.Losses together[0].Losses do
        Expect.floatClose Accuracy.high b a "losses"

    for a, b in List.zip (List.concat alone.Figures) (List.concat together[0].Figures) do
        Expect.floatClose Accuracy.veryHigh b a "figures"

let solo (plan: TrainPlan) =
    new Replica(plan, torch.CPU, new SoloCollective())
