/// Variants are trained on equal terms, and what is finished is kept.
module CnnCluster.Tests.Trainer.Comparison.ComparisonTests

open System
open System.Globalization
open System.IO
open System.Text.Json.Nodes
open System.Threading
open System.Xml.Linq
open Expecto
open SkiaSharp
open CnnCluster.Dsl
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Trainer.Comparison.Comparisons
open CnnCluster.Tests.Trainer.Storage.TemporaryFolder
open CnnCluster.Trainer.Comparison
open CnnCluster.Trainer.Hosting
open CnnCluster.Trainer.Storage
open CnnCluster.Trainer.Training

let private describe texts common seeds =
    let read = reading texts common
    Expect.isFalse read.HasErrors $"{List.ofSeq read.Messages}"

    ComparisonDescription(
        Variants = read.Variants,
        Seeds = [| for i in 0 .. seeds - 1 -> read.FirstSeed + uint64 i |],
        Workers = 1,
        Devices = [| "cpu" |],
        Threads = 1,
        StepLimit = 0L,
        DataFolder = null,
        Versions = RunDescriptions.Versions(),
        Started = DateTimeOffset.Now
    )

let private runOf (folder: ComparisonFolder) description tell =
    ComparisonRun(folder, description, ComparisonData(description, null), Action<_> tell)

let private train (run: ComparisonRun) parallel' (interrupt: CancellationToken) =
    run.TrainAsync(parallel', interrupt).GetAwaiter().GetResult()

/// The finished comparison, all at once.
let private compared texts common seeds parallel' act =
    inFolder (fun path ->
        let description = describe texts common seeds
        use folder = ComparisonFolder.Create(Path.Combine(path, "c"), description)
        let run = runOf folder description ignore
        Expect.isTrue (train run parallel' CancellationToken.None) "gone through"
        act folder (ComparisonSummary.Of(description, run.Finished())))

let private cell (summary: ComparisonSummary) variant seed =
    summary.Cells |> Seq.find (fun c -> c.Variant = variant && c.Seed = seed)

/// Everything of the cells that is not a time.
let private figures (summary: ComparisonSummary) =
    [ for c in summary.Cells ->
          c.Variant,
          c.Seed,
          c.WeightsSha256,
          [ for e in c.Epochs -> e.Epoch, e.Step, [ for v in e.Values -> v.Key, v.Value ] ] ]

let private three =
    [ "sgd: optimizer=sgd lr=0.1"; "adam: optimizer=adam"; "richer: train=Richer" ]

let private weight (folder: ComparisonFolder) (summary: ComparisonSummary) variant name =
    let number = summary.Variants |> Seq.findIndex (fun v -> v.Variant = variant)
    let cells = Path.Combine(folder.Location, "cells")
    let own = Directory.GetDirectories cells |> Array.sort |> Array.item number

    SafetensorsFile.Open(Path.Combine(own, "seed-5", "checkpoints", "final.safetensors")).ReadFloat32 name

let private terms =
    testList
        "terms"
        [ test "variants of a seed begin with the same weights, and see the same samples in the same order" {
              let still =
                  [ "sgd: optimizer=sgd lr=0"; "adam: optimizer=adam lr=0"; "richer: train=Richer; optimizer=sgd lr=0" ]

              compared still [ "epochs=1" ] 2 1 (fun folder summary ->
                  for seed in [ 5UL; 6UL ] do
                      let sgd, adam = cell summary "sgd" seed, cell summary "adam" seed
                      Expect.equal sgd.WeightsSha256 adam.WeightsSha256 "first weights, never moved"
                      Expect.equal sgd.Epochs[0].Values["train_loss"] adam.Epochs[0].Values["train_loss"] "losses"

                  let of' seed = (cell summary "sgd" seed).WeightsSha256
                  Expect.notEqual (of' 5UL) (of' 6UL) "each seed its own"

                  for name in [ "conv1/kernel"; "dense1/kernel" ] do
                      Expect.equal
                          (weight folder summary "richer" name)
                          (weight folder summary "sgd" name)
                          $"{name} is the same in another network too")
          }
          test "variants that differ only in how they learn have the same loss in their first step" {
              let texts =
                  [ "sgd: optimizer=sgd lr=0.1"; "adam: optimizer=adam"; "again: optimizer=adam" ]

              compared texts [ "epochs=1"; "batch=64" ] 1 1 (fun _ summary ->
                  let first name =
                      (cell summary name 5UL).Epochs[0].Values["train_loss"]

                  Expect.equal (first "sgd") (first "adam") "one step: all 64 samples, before any update"
                  let ends name = (cell summary name 5UL).WeightsSha256
                  Expect.notEqual (ends "sgd") (ends "adam") "then they part"
                  Expect.equal (ends "adam") (ends "again") "and the same variant comes to the same")
          }
          test "several cells at once come to what one after the other does" {
              let one = compared three [] 2 1 (fun _ summary -> figures summary)
              let two = compared three [] 2 2 (fun _ summary -> figures summary)
              Expect.equal two one "figures"
              Expect.hasLength one 6 "three variants, two seeds"
          }
          test "losses are compared without what regularization adds to them" {
              compared [ "richer: train=Richer" ] [] 1 1 (fun _ summary ->
                  let last = Seq.last (cell summary "richer" 9UL).Epochs
                  let penalty = last.RegularizationLosses["dense1/kernel"]
                  Expect.isGreaterThan penalty 0.1 "there is one"

                  Expect.floatClose
                      Accuracy.veryHigh
                      (last.ValidationLoss + penalty)
                      last.Values["val_loss"]
                      "validation"

                  Expect.isGreaterThan (last.Values["train_loss"] - last.TrainLoss) 0.1 "training"

                  let titles = [ for figure in summary.Figures -> figure.Title ]
                  Expect.contains titles "regularization at the end" "it has a column")
          } ]

let private resuming =
    testList
        "resuming"
        [ test "an interrupted comparison keeps what is finished, and ends with the same figures" {
              let whole = compared three [] 1 1 (fun _ summary -> figures summary)

              inFolder (fun path ->
                  let place = Path.Combine(path, "c")
                  let description = describe three [] 1

                  let first =
                      use folder = ComparisonFolder.Create(place, description)
                      use stop = new CancellationTokenSource()

                      // Asked within the second cell: it is left half-way.
                      let tell: ComparisonEvent -> unit =
                          function
                          | :? CellEpochEnded as epoch when epoch.Variant.Name = "adam" -> stop.Cancel()
                          | _ -> ()

                      let run = runOf folder description tell
                      Expect.isFalse (train run 1 stop.Token) "interrupted"
                      run.Finished() |> Seq.exactlyOne

                  use folder = ComparisonFolder.Open place
                  let again = folder.ReadDescription()
                  let trained = ResizeArray()

                  let run =
                      runOf folder again (function
                          | :? CellFinished as cell -> trained.Add cell.Result.Variant
                          | _ -> ())

                  Expect.isTrue (train run 1 CancellationToken.None) "gone through"
                  Expect.equal (List.ofSeq trained) [ "adam"; "richer" ] "the others"
                  let cells = run.Finished()
                  Expect.equal cells[0].Seconds first.Seconds "the first was kept"
                  Expect.equal (figures (ComparisonSummary.Of(again, cells))) whole "the same figures")
          }
          test "a cell that fails is told of, and tried again when asked" {
              inFolder (fun path ->
                  let description = describe [ "fine: batch=32"; "wild: optimizer=sgd lr=1e38" ] [] 1
                  use folder = ComparisonFolder.Create(Path.Combine(path, "c"), description)
                  let run = runOf folder description ignore
                  Expect.isTrue (train run 1 CancellationToken.None) "gone through"
                  let summary = ComparisonSummary.Of(description, run.Finished())
                  Expect.stringContains (cell summary "wild" 5UL).Message "not finite" "why"
                  Expect.equal [ for row in summary.Variants -> row.Seeds, row.Failed ] [ 1, 0; 0, 1 ] "counted"
                  Expect.stringContains (ComparisonTables.Markdown summary) "| wild | 0, 1 failed |" "in the table"
                  ComparisonReport.Write(folder, summary)

                  let again = ResizeArray()

                  runOf folder description (function
                      | :? CellBegan as cell -> again.Add cell.Variant.Name
                      | _ -> ())
                  |> fun run -> train run 1 CancellationToken.None |> ignore

                  Expect.equal (List.ofSeq again) [ "wild" ] "only that one")
          }
          test "a folder in use, and one that is none, are refused" {
              inFolder (fun path ->
                  let place = Path.Combine(path, "c")
                  use _ = ComparisonFolder.Create(place, describe [ "none:" ] [] 1)
                  let says act = (Expect.throwsC act id).Message

                  Expect.stringContains
                      (says (fun () -> ComparisonFolder.Open place |> ignore))
                      "at work there"
                      "in use"

                  Expect.stringContains
                      (says (fun () -> ComparisonFolder.Open path |> ignore))
                      "not the folder of a comparison"
                      "none")
          } ]

let private files =
    testList
        "files"
        [ test "tables, curves and pictures are written, and hold what was found" {
              let texts = [ "sgd, \"plain\": optimizer=sgd lr=0.1"; "a | b: optimizer=adam" ]

              compared texts [] 2 2 (fun folder summary ->
                  ComparisonReport.Write(folder, summary)

                  let text name =
                      File.ReadAllText(Path.Combine(folder.Location, name))

                  let table = (text ComparisonReport.Csv).Split '\n'

                  Expect.stringStarts
                      table[0]
                      "variant,seeds,failed,best_val_loss_mean,best_val_loss_sd,"
                      "its columns"

                  Expect.stringStarts table[1] "\"sgd, \"\"plain\"\"\",2,0,2." "a quoted name"
                  let curves = (text ComparisonReport.CurvesCsv).Split '\n'
                  Expect.hasLength curves (1 + 2 * 2 * 2 + 1) "a line for each epoch of each cell"
                  Expect.stringContains (text ComparisonReport.Markdown) "| a \\| b | 2 | " "a bar in a name"

                  let picture = XDocument.Parse(text ComparisonReport.Svg)
                  let words = picture.Descendants() |> Seq.map _.Value |> String.concat " "
                  Expect.stringContains words "validation loss" "a title"
                  Expect.stringContains words "a | b" "a variant"
                  Expect.isFalse ((text ComparisonReport.Svg).Contains ", \"") "no list with an end missing"

                  use bitmap = SKBitmap.Decode(Path.Combine(folder.Location, ComparisonReport.Png))
                  Expect.equal (bitmap.Width, bitmap.Height) (3520, 880) "two pixels a unit"

                  // Each panel has colours in it, so none was wiped by the next.
                  for left in [ 0; 1040; 2080 ] do
                      let coloured =
                          Seq.allPairs [ left..4 .. left + 1000 ] [ 100..4..780 ]
                          |> Seq.exists (fun (x, y) ->
                              let p = bitmap.GetPixel(x, y)
                              abs (int p.Red - int p.Blue) > 60)

                      Expect.isTrue coloured $"the panel from {left}")
          }
          test
              "each regularized weight's loss stands in every file by the weight's name, and is empty where there is none" {
              compared
                  [ "plain: optimizer=sgd lr=0.1"; "richer: train=Richer" ]
                  [ "epochs=1" ]
                  1
                  1
                  (fun folder summary ->
                      ComparisonReport.Write(folder, summary)

                      let text name =
                          File.ReadAllText(Path.Combine(folder.Location, name))

                      let loss = (cell summary "richer" 5UL).Final.RegularizationLosses["dense1/kernel"]

                      /// The column of a CSV file, without its title.
                      let column name (title: string) =
                          match [ for line in (text name).TrimEnd('\n').Split '\n' -> line.Split ',' ] with
                          | titles :: rows -> [ for row in rows -> row[Array.findIndex ((=) title) titles] ]
                          | [] -> failtest $"{name} is empty"

                      let named = [ ""; loss.ToString("R", CultureInfo.InvariantCulture) ]
                      Expect.equal (column ComparisonReport.CurvesCsv "regularization/dense1/kernel") named "curves"
                      Expect.equal (column ComparisonReport.Csv "end_regularization/dense1/kernel_mean") named "table"

                      Expect.stringContains
                          (text ComparisonReport.Markdown)
                          ("| regularization at the end | richer |\n|---|---:|\n| dense1/kernel | "
                           + loss.ToString("F4", CultureInfo.InvariantCulture)
                           + " |\n")
                          "a table of its own"

                      let figures =
                          (JsonNode.Parse(text ComparisonReport.Json)).["variants"].[1].["figures"]

                      Expect.equal (float figures["end_regularization/dense1/kernel"].["mean"]) loss "results")
          }
          test "a comparison without metrics has two panels, and single seeds have no deviation" {
              compared [ "none:" ] [ "metric=mse" ] 1 1 (fun _ summary ->
                  let table = ComparisonTables.Markdown summary
                  Expect.isFalse (table.Contains "±") "no deviation"
                  Expect.isFalse (table.Contains ComparisonTables.RegularizationTitle) "nor a regularized weight")
          } ]

[<Tests>]
let tests = testList "Trainer.comparisons" [ terms; resuming; files ]
