module CnnCluster.Tests.Bench.ScalingPageTests

open System.Collections.Generic
open System.IO
open Expecto
open TorchSharp
open CnnCluster.Bench.Scale
open CnnCluster.Bench.Scale.Measuring
open CnnCluster.Bench.Scale.Model
open CnnCluster.Bench.Scale.Report
open CnnCluster.Bench.Sides
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Tests
open CnnCluster.Tests.Docs
open CnnCluster.Tests.Bench.ScaleSamples

let private page =
    "<!-- measured and fitted -->\n<!-- end of measured and fitted -->\n"
    + "<!-- predicted efficiency -->\n<!-- end of predicted efficiency -->\n"
    + "<!-- algorithms -->\n<!-- end of algorithms -->\n"

/// The only rank, which remembers how many bytes it was to sum.
type private Recorder() =
    let sums = List<int64>()
    member _.Sums = sums

    interface IBatchSum with
        member _.AllReduceSum buffer =
            sums.Add(buffer.numel () * buffer.ElementSize)

/// The sums within a forward and a backward pass of a network on 32×32 colour.
let private sumsWithin (plan: NetworkPlan) =
    use _ = torch.NewDisposeScope()

    let allocate (tensors: NamedTensor seq) =
        [| for tensor in tensors -> torch.zeros (Array.ofSeq tensor.Shape) |]

    let tensors =
        { Weights = allocate plan.Weights
          Gradients = allocate plan.Weights
          Buffers = allocate plan.Buffers
          NextBuffers = allocate plan.Buffers }

    use network = new NetworkModule(plan, tensors, LayerKernels.Lanes)
    network.Initialise 1UL
    let recorder = Recorder()
    network.Step <- StepContext(1UL, recorder, Training = true, GlobalBatch = 2L)
    network.forward(torch.ones (2, 3, 32, 32)).sum().backward()
    network.Step.ThrowIfFailed()
    recorder.Sums

[<Tests>]
let tests =
    testList
        "Bench.scaling page"
        [ test "the page has what its figures say" {
              ScalingPage.With(
                  File.ReadAllText(Repository.file ScalingPage.Page),
                  ScaleFigures.FromJson(File.ReadAllText(Repository.file ScalingPage.Figures))
              )
              |> Accepted.isCurrent ScalingPage.Page
          }
          test "figures are the same after writing and reading" {
              let text = figures().ToJson()
              Expect.equal (ScaleFigures.FromJson(text).ToJson()) text "the text"
          }
          test "efficiency lies between nothing and all, and no more workers have more of it" {
              let model = ScaleModel(figures ())

              for network in model.Networks do
                  for link in model.Between do
                      let efficiency workers =
                          let reduce =
                              ReductionTime(fun bytes rounded ->
                                  let struct (_, time) = Reductions.Best(link, workers, bytes, rounded) in time)

                          network.Step.Computing.Of network.Samples
                          / network.Step.Step(network.Samples, workers, reduce, false).Total

                      let all = [ for power in 0..10 -> efficiency (pown 2 power) ]
                      isNear all.Head 1.0 $"{network.Title}, one worker"

                      Expect.isTrue
                          (all
                           |> List.pairwise
                           |> List.forall (fun (few, many) -> many < few && many > 0.0))
                          $"{network.Title}, {link.Name}: {all}"
          }
          test "a page of figures that the model fits says so" {
              let text = ScalingPage.With(page, figures ())
              Expect.stringContains text "| TCP | 20.0 µs | 2.0 µs | 2.0 GB/s | 10.0 GB/s | 3.3 GB/s |" "the costs"
              Expect.stringContains text "1.00, 1.00" "no error"
              Expect.isFalse (text.Contains "NaN") "every number is one"
          }
          test "a brief measurement says above its figures that it is none, and predicts nothing" {
              let brief =
                  ScaleFigures.FromJson(figures().ToJson().Replace("\"taken\"", "\"quick\": true,\n  \"taken\""))

              Expect.isTrue brief.Quick "read"
              let text = ScalingPage.With(page, brief)
              Expect.stringContains text "no measurement" "said"
              Expect.stringContains text "Nothing is predicted" "said where predictions are"
              Expect.isFalse (text.Contains "Efficiency") "no prediction"
          }
          test "sums by hosts are predicted from the links that they go over" {
              let point = ScaleModel(figures ()).ByHosts() |> Seq.exactlyOne
              let bytes = float point.Point.Bytes
              // Of two, each sends the other everything within the hosts, and half of it and the sums back between them.
              let messages kib = ceil (bytes / float (kib <<< 10))
              let link (work: Work) = cost.Seconds work + turn * work.Rounds
              let within = link (Work(1.0, messages 128, bytes, bytes))
              let between = link (Work(2.0, messages 512, bytes, bytes / 2.0))

              isNear
                  point.Predicted
                  (2.0 * (within + between + link (Work(1.0, messages 128, bytes, 0.0))))
                  "four ranks on two cores"
          }
          test "what a network reduces is read off its plan" {
              let shape = ScaleMeasuring.Shape("resnet50", Networks.ResNet50())
              Expect.equal shape.Parameters 25_557_032L "parameters"
              Expect.equal shape.Statistics.Count 53 "layers that normalise by the batch"
              Expect.equal (Seq.sum shape.Statistics) 26_560L "their channels"
          }
          test "the statistics of a step are what its forward and backward pass sum" {
              let plan = Networks.Plan "resnet18"

              let expected =
                  [ for channels in ScaleMeasuring.Shape("resnet18", plan).Statistics do
                        yield! [ 16L * channels; 16L * channels ] ]

              Expect.equal expected.Length 40 "twenty layers, twice"
              Expect.sequenceEqual (Seq.sort (sumsWithin plan)) (List.sort expected) "bytes"
          } ]
