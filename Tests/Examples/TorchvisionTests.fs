/// The examples compute what torchvision's networks compute.
module CnnCluster.Tests.Examples.TorchvisionTests

open System
open System.Collections.Generic
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Examples.TorchvisionReferences

let private float64Of (shape: int64 seq) (numbers: float[]) =
    torch.tensor(numbers, dtype = torch.float64).reshape(Array.ofSeq shape)

/// A network with the weights and running statistics that torchvision's was given.
let private filled (plan: NetworkPlan) =
    let fill (value: int -> NamedTensor -> float[]) (tensors: IReadOnlyList<NamedTensor>) : IReadOnlyList<Tensor> =
        [| for i, tensor in Seq.indexed tensors -> float64Of tensor.Shape (value i tensor) |]

    // Nothing is differentiated: one zero stands for all gradients.
    let zero = torch.zeros (1L, dtype = Nullable torch.float64)
    let buffers = fill SplitMix.buffer plan.Buffers

    let network =
        new NetworkModule(
            plan,
            { Weights = fill SplitMix.parameter plan.Weights
              Gradients = [| for weight in plan.Weights -> zero.expand (Array.ofSeq weight.Shape) |]
              Buffers = buffers
              NextBuffers = buffers }
        )

    network.Step <- StepContext(0UL, new SoloCollective(), Training = false, GlobalBatch = int64 (batch ()))
    network

/// The plan with these nodes' values as its outputs, in front of its own.
let private watching (paths: string list) (plan: NetworkPlan) =
    let output path =
        match plan.Nodes |> List.tryFindIndex (fun node -> node.Path = path) with
        | Some i -> { Name = path; Source = FromNode i }
        | None -> failwith $"no node is called {path}; there are {[ for node in plan.Nodes -> node.Path ]}"

    { plan with
        Outputs = List.map output paths @ plan.Outputs }

let private summaryOf (output: Tensor) shown : Summary =
    let rows = output.reshape (output.size 0, -1L)

    { Shape = output.shape |> Array.skip 1 |> List.ofArray
      First = [| for i in 0L .. rows.size 0 - 1L -> values (rows[i].narrow(0L, 0L, shown)) |]
      Mean = values (rows.mean [| 1L |])
      Norm = values ((rows * rows).sum(1L).sqrt()) }

/// Relative to what a typical element comes to.
let private tolerance = 1e-10

let private agree name (expected: Summary) (output: Tensor) =
    let actual = summaryOf output (int64 expected.First[0].Length)
    Expect.equal actual.Shape expected.Shape $"{name}: shape"
    let elements = expected.Shape |> List.fold (*) 1L |> float

    for sample in 0 .. expected.Norm.Length - 1 do
        let typical = expected.Norm[sample] / sqrt elements

        let close what expected actual =
            Expect.isLessThan (abs (actual - expected) / typical) tolerance $"{name}, sample {sample}: {what}"

        Array.iter2 (close "a first element") expected.First[sample] actual.First[sample]
        close "mean" expected.Mean[sample] actual.Mean[sample]
        Expect.isLessThan (abs (actual.Norm[sample] / expected.Norm[sample] - 1.0)) tolerance $"{name}: norm"

/// Runs an example on the input that torchvision's network was given. `points` are torchvision's modules, and the layers
/// of ours whose values they make.
let private agrees example theirs (points: (string * string) list) =
    use _ = torch.NewDisposeScope()
    use _ = torch.no_grad ()
    let reference = networks()[theirs]
    let height, width = reference.Input[0], reference.Input[1]
    let plan = Examples.planFor example height width |> watching (List.map snd points)
    use network = filled plan
    let count = batch () * 3 * height * width

    let images =
        float64Of [ int64 (batch ()); 3; height; width ] (SplitMix.uniform SplitMix.Role.Input 0 count)

    let outputs = network.Run [| images |]
    Expect.equal (Set(List.map fst points)) (Set reference.Points.Keys) "the points that the reference has"

    for (name, _), output in Seq.zip points outputs do
        agree name reference.Points[name] output

    agree "output" reference.Output.Value outputs[points.Length]

let private agreesAs example theirs points =
    test $"{example} computes what torchvision's {theirs} computes" { agrees example theirs points }

[<Tests>]
let tests =
    testList
        "Examples.Torchvision"
        [ agreesAs
              "resnet18"
              "resnet18"
              [ "maxpool", "maxpool1"
                "layer1", "basic2/add1"
                "layer2", "basic4/add1"
                "layer3", "basic6/add1"
                "layer4", "basic8/add1" ]
          agreesAs
              "mobilenetv2"
              "mobilenet_v2"
              [ "features.1", "inverted1/batchnorm2"
                "features.4", "inverted4/batchnorm3"
                "features.12", "inverted12/add1"
                "features.18", "batchnorm2" ]
          agreesAs
              "squeezenet1_1"
              "squeezenet1_1"
              [ "features.2", "maxpool1"
                "features.5", "maxpool2"
                "features.8", "maxpool3"
                "features.12", "fire8/concat1" ]
          agreesAs
              "googlenet"
              "googlenet"
              [ "maxpool2", "maxpool2"
                "inception3b", "inception2/concat1"
                "inception4e", "inception7/concat1"
                "inception5b", "inception9/concat1" ]
          agreesAs
              "densenet121"
              "densenet121"
              [ "features.pool0", "maxpool1"
                "features.denseblock1", "grow6/concat1"
                "features.transition2", "transition2/avgpool1"
                "features.denseblock4", "grow58/concat1" ]
          agreesAs
              "resnet50"
              "resnet50"
              [ "maxpool", "maxpool1"
                "layer1", "bottleneck3/add1"
                "layer2", "bottleneck7/add1"
                "layer3", "bottleneck13/add1"
                "layer4", "bottleneck16/add1" ] ]

/// Half a gigabyte of weights.
[<Tests>]
let large =
    testList
        "Examples.Torchvision (long)"
        [ agreesAs "alexnet" "alexnet" [ "features.2", "maxpool1"; "features.7", "conv3"; "features.12", "maxpool3" ] ]
