module CnnCluster.Tests.Bench.FiguresTests

open System
open System.Collections.Generic
open System.IO
open Expecto
open CnnCluster.Bench
open CnnCluster.Bench.Report
open CnnCluster.Bench.Rows
open CnnCluster.Bench.Sides
open CnnCluster.Tests
open CnnCluster.Tests.Docs
open CnnCluster.Tests.Trainer.Storage.TemporaryFolder
open CnnCluster.Trainer.Data

let private row lessIsBetter sides goals =
    RowFigures("r", "A row", "µs", lessIsBetter, [| for name, values in sides -> SideFigures(name, values) |], goals)

let private ratios lessIsBetter ours theirs =
    Ratios.Of(row lessIsBetter [ "cnn", ours; "peer", theirs ] [||])
    |> Seq.exactlyOne

let private sample =
    BenchFigures(
        DateTimeOffset.UnixEpoch,
        MachineFigures("A processor", 2, "X64 vector512", "an OS", 0.25, Dictionary(dict [ "cnn", "0.1.0" ])),
        1,
        [| row
               true
               [ "cnn", [| 8.0; 10.0 |]; "peer", [| 24.0; 20.0 |] ]
               [| GoalFigures("peer", 3.0, "must", Nullable 2.5, Nullable false)
                  GoalFigures(null, 10.0, "must", Nullable 9.0, Nullable true)
                  GoalFigures("absent", 2.0, "aim", Nullable(), Nullable())
                  GoalFigures("peer", 2.0, "aim", Nullable 2.5, Nullable()) |] |]
    )

[<Tests>]
let tests =
    testList
        "Bench.figures"
        [ test "the page has the figures of the data" {
              let withPart page (part: PerformancePage.Part) =
                  let figures = BenchFigures.FromJson(File.ReadAllText(Repository.file part.Figures))
                  PerformancePage.With(page, part, figures)

              (File.ReadAllText(Repository.file PerformancePage.Page), PerformancePage.Parts)
              ||> Seq.fold withPart
              |> Accepted.isCurrent PerformancePage.Page
          }
          test "figures are the same after writing and reading" {
              let text = sample.ToJson()
              Expect.equal (BenchFigures.FromJson(text).ToJson()) text "the text"
          }
          test "a ratio says how many times better cnn is, pair by pair" {
              let faster = ratios false [| 30.0; 10.0; 20.0 |] [| 10.0; 10.0; 10.0 |]
              Expect.equal (faster.Median, faster.Least, faster.Greatest) (2.0, 1.0, 3.0) "more is better"
              let shorter = ratios true [| 10.0; 10.0 |] [| 20.0; 40.0 |]
              Expect.equal (shorter.Median, shorter.Least, shorter.Greatest) (3.0, 2.0, 4.0) "less is better"
          }
          test "goals say what was asked for, what was reached, and whether that is enough" {
              let page =
                  PerformancePage.With(
                      "<!-- figures -->\nold\n<!-- end of figures -->\nrest\n",
                      PerformancePage.Parts[0],
                      sample
                  )

              Expect.stringContains page "must ≥ 3 × peer | 2.50, missed |" "a ratio"
              Expect.stringContains page "must ≤ 10.0 µs | 9.0 µs, met |" "a value"
              Expect.stringContains page "aim ≥ 2 × absent | not measured |" "a side that was not there"
              Expect.stringContains page "aim ≥ 2 × peer | 2.50, not judged (--quick) |" "too briefly measured"
              Expect.isFalse (page.Contains "old") "replaced"
              Expect.stringEnds page "rest\n" "and no more"
          }
          test "a brief measurement says above its figures that it is none" {
              let first (figures: BenchFigures) = BenchText.Machine figures |> Seq.head

              let brief =
                  BenchFigures.FromJson(
                      sample.ToJson().Replace("\"threads\": 1,", "\"threads\": 1,\n  \"quick\": true,")
                  )

              Expect.isTrue brief.Quick "written and read"
              Expect.stringContains (first brief) "no measurement" "said first"
              Expect.isFalse ((first sample).Contains "measurement") "not of others"
          }
          test "figures say how often they were measured and on what, where it was written down" {
              let described (further: string) =
                  let written =
                      sample.ToJson().Replace("\"threads\": 1,", "\"threads\": 1,\n" + further)

                  let read = BenchFigures.FromJson written
                  Expect.equal (BenchFigures.FromJson(read.ToJson()).ToJson()) (read.ToJson()) "written and read"
                  BenchText.Machine read |> Seq.last

              Expect.equal
                  [ described ""
                    described "\"pairs\": 5, \"data\": \"digits\","
                    described "\"pairs\": 1, \"data\": \"mnist\"," ]
                  [ "1970-01-01, 1 thread a side"
                    "1970-01-01, 1 thread a side, 5 pairs, 3 of what takes long, LeNet-5 on drawn digits"
                    "1970-01-01, 1 thread a side, 1 pair, LeNet-5 on MNIST" ]
                  "the last line"
          }
          test "the networks of the peers have the parameters of the scripts" {
              for network in [ "lenet5"; "vgg"; "resnet18" ] do
                  use peer = TorchNetworks.Create network
                  let count = peer.parameters () |> Seq.sumBy (fun p -> p.numel ())
                  Expect.equal count (Networks.Plan(network).Parameters) network
          }
          test "training LeNet-5 takes 2.26 million operations an image" {
              // Multiply-adds: 117,600 and 240,000 of the convolutions, 48,000 and 10,080 and 840 of the dense layers.
              let forward = 117_600.0 + 240_000.0 + 48_000.0 + 10_080.0 + 840.0

              Expect.equal
                  (Networks.TrainingFlop "lenet5")
                  (2.0 * (3.0 * forward - 117_600.0))
                  "no gradient of the images"
          }
          test "every side reads the samples that were written" {
              inFolder (fun folder ->
                  let written = SampleFiles.Noise(7, 3, SampleShape(3, 4, 5), 1)
                  SampleFiles.Write(folder, written)
                  let read = SampleFiles.Read folder

                  for a, b in [ written.Train, read.Train; written.Validation, read.Validation ] do
                      Expect.equal b.Count a.Count "how many"
                      Expect.equal b.Inputs[0].Shape a.Inputs[0].Shape "of this shape"
                      Expect.sequenceEqual b.Inputs[0].Pixels a.Inputs[0].Pixels "pixels"

                      match a.Targets[0], b.Targets[0] with
                      | (:? TargetValues.Classes as a), (:? TargetValues.Classes as b) ->
                          Expect.sequenceEqual b.Values a.Values "labels"
                      | other -> failtest $"{other}")
          }
          test "rows have names of their own, cnn first, and goals about sides that they have" {
              let rows = List.ofSeq AllRows.List
              Expect.equal (rows |> List.distinctBy _.Name).Length rows.Length "names"

              for row in rows do
                  Expect.equal row.Sides[0] Row.Cnn row.Name

                  for goal in row.Goals do
                      Expect.isTrue (isNull goal.Against || Seq.contains goal.Against row.Sides) $"{row.Name}: {goal}"
          } ]
