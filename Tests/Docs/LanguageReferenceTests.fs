/// Keeps docs/language.md what the catalogues say. `CNN_ACCEPT=1` in the environment rewrites its generated
/// sections, and what commands and mistakes print in it.
module CnnCluster.Tests.Docs.LanguageReferenceTests

open System
open System.IO
open Expecto
open CnnCluster.Dsl
open CnnCluster.Kernels.Optimization
open CnnCluster.Tests
open CnnCluster.Tests.Docs
open CnnCluster.Tests.Dsl
open CnnCluster.Trainer.Data
open CnnCluster.Trainer.Training

let private path = "docs/language.md"

let private sections =
    MarkdownReference.sections TrainingCatalogues.All
    @ [ "precision", PrecisionTable.lines ]

let private entries = Reference.entries TrainingCatalogues.All

let private opening name = $"<!-- generated: {name} -->"
let private closing = "<!-- end -->"

/// The document with its generated sections as the catalogues would have them.
let private regenerated (document: string list) =
    let rec inside found rest =
        match rest with
        | [] -> failtest "a generated section has no end"
        | line :: rest when line = closing -> outside (line :: found) rest
        | _ :: rest -> inside found rest

    and outside found rest =
        match rest with
        | [] -> List.rev found
        | line :: rest ->
            match sections |> List.tryFind (fun (name, _) -> line = opening name) with
            | Some(_, lines) -> inside (List.rev ([ line; "" ] @ lines @ [ "" ]) @ found) rest
            | None -> outside (line :: found) rest

    outside [] document

let private accept () =
    if Environment.GetEnvironmentVariable "CNN_ACCEPT" = "1" then
        let lines = Markdown.lines path |> SnippetTests.answered |> regenerated
        File.WriteAllText(Repository.file path, String.Join('\n', lines) + "\n")

/// A train part of which nothing is said that need not be.
let private leastPlan =
    lazy
        (let text =
            "network N { input 28x28x1; flatten; dense 10 }\ntrain N { data digits; loss mse; optimizer sgd }"

         Script.Training(Scripts.source text, null, [], TrainingCatalogues.All).Value.Plan)

/// Scripts that go just beyond a limit, by the limit's row in the reference.
let private beyond =
    let network body =
        $"network N {{ input 8x8x1\n{body}\nflatten; dense 10 }}"

    let copies (text: string) count = String.replicate count text

    let chain count =
        String.concat "\n" [ for i in 1..count -> $"block b{i}() {{ b{i + 1} }}" ]
        + $"\nblock b{count + 1}() {{ relu }}\n"
        + network "b1"

    // Blocks that use one another inside of many braces.
    let deep blocks braces =
        let inside text =
            copies "if 1 > 0 { " braces + text + copies " }" braces

        String.concat "\n" [ for i in 1..blocks -> $"block b{i}() {{ " + inside $"b{i + 1}" + " }" ]
        + $"\nblock b{blocks + 1}() {{ relu }}\n"
        + network "b1"

    [ "characters of a script", network ("# " + copies "x" 10_001), "10,000"
      "digits of a side", network "conv 4 1234567890x3", "nine"
      "brackets within brackets", network ("let n = " + copies "(" 101 + "1" + copies ")" 101), "100"
      "values that one expression joins", network ("let n = 1" + copies "+1" 1000), "1,000"
      "expressions that a script computes", network ("repeat 1500 { if 0" + copies "+1" 900 + " > 0 { } }"), "1,000,000"
      "rounds of one `repeat`", network "repeat 10001 { relu }", "10,000"
      "operators within operators",
      network ("let n = " + copies "(" 11 + "1" + copies (copies "*1" 99 + ")") 11),
      "1,000"
      "rounds of all `repeat`s", network "repeat 1000 { repeat 1000 { } }", "100,000"
      "statements that a network comes to", network "repeat 200 { repeat 101 { relu } }", "20,000"
      "blocks within blocks", chain 50, "50"
      "braces within braces", deep 10 30, "200"
      "sides of a window", network "conv 4 32768", "32,767"
      "sides of an input", "network N { input 2x2x2x2x2; flatten; dense 1 }", "three"
      "elements of an input", "network N { input 65536x32768x1; conv 1 1 }", "2,147,483,647" ]

/// A script for each warning of the reference, in its order.
let private warned =
    let dense body =
        $"network N {{ input 4x4x1\n{body}\nflatten; dense 10 }}"

    let trained body settings =
        $"network N {{ input 28x28x1\n{body} }}\ntrain N {{ data digits; optimizer sgd\n{settings} }}"

    [ dense "as x; relu"
      "block x() { relu }\n" + dense ""
      dense "as x; conv 1 1; conv 1 1; conv 1 1; from x; relu"
      "network N { input x 4; input y 4; from y; dense 10 }"
      dense "let x = 1; conv x 1; let x = 2; conv x 1"
      "block conv() { relu }\n" + dense "conv"
      trained "batchnorm; flatten; dense 10" "loss cross-entropy; accumulate 2"
      trained "flatten; dense 10 softmax" "loss cross-entropy"
      trained "flatten; dense 10 sigmoid" "loss cross-entropy"
      trained
          "as x; flatten; dense 10; output y; from x; output z"
          "loss cross-entropy on=y; loss mse on=z target=input"
      trained "flatten; dense 10; output y; dense 3; output x" "loss cross-entropy on=y"
      "network N { input right 28x28x1; flatten; dense 2 }\ntrain N { data digit-pairs; optimizer sgd; loss cross-entropy }" ]

[<Tests>]
let tests =
    testList
        "Docs.language reference"
        [ test "the generated sections are what the catalogues say" {
              accept ()
              let written = Markdown.lines path

              for line, expected in List.zip written (regenerated written |> List.truncate written.Length) do
                  Expect.equal line expected "CNN_ACCEPT=1 ./cnn test --filter-test-list Docs writes them anew"

              Expect.equal written.Length (regenerated written).Length "and their length"
          }
          test "the reference has every generated section once" {
              let written = Markdown.lines path

              for name, _ in sections do
                  let count = written |> List.filter ((=) (opening name)) |> List.length
                  Expect.equal count 1 name
          }
          test "every word of every catalogue has an entry" {
              let words =
                  [ for layer in TrainingCatalogues.All.Layers -> EntryKind.Layer, layer.Name
                    for a in Activation.all -> EntryKind.Activation, a.Name
                    for i in Initialiser.all -> EntryKind.Initialiser, i.Name
                    for r in Regularizer.all -> EntryKind.Regularizer, r.Name
                    for k in FixedKernel.all -> EntryKind.FixedKernel, k.Name
                    for l in Loss.all -> EntryKind.Loss, l.Name
                    for m in Metric.all -> EntryKind.Metric, m.Name
                    for o in UpdateRules.All -> EntryKind.Optimizer, o.Name
                    for s in Schedules.All -> EntryKind.Schedule, s.Name
                    for d in DataSets.All -> EntryKind.DataSet, d.Name
                    for a in Augmentations.All -> EntryKind.Augmentation, a.Name ]

              let found = [ for entry in entries -> entry.Kind, entry.Word ] |> Set.ofList
              Expect.isEmpty (List.filter (found.Contains >> not) words) "words without an entry"
          }
          test "no word stands twice under one kind" {
              let twice =
                  entries
                  |> Seq.countBy (fun e -> e.Kind, e.Word)
                  |> Seq.filter (fun (_, n) -> n > 1)

              Expect.isEmpty twice "words"
          }
          test "every entry says what it is, and every argument of a layer too" {
              for entry in entries do
                  Expect.isTrue (entry.Summary <> "" || entry.Formula <> "") $"{entry.Kind.Title} {entry.Word}"

                  if entry.Kind = EntryKind.Layer then
                      for argument in entry.Arguments do
                          Expect.isNotEmpty argument.Doc $"{entry.Word}, {argument.Name}"
          }
          test "the defaults of a train part's statements are those that a plan has" {
              let plan = leastPlan.Value

              let standard (statement: TrainStatement) = statement.Entry.Default

              Expect.equal (standard TrainStatements.batch) (string plan.Batch) "batch"
              Expect.equal (standard TrainStatements.epochs) (string plan.Epochs) "epochs"
              Expect.equal (standard TrainStatements.accumulate) (string plan.Accumulate) "accumulate"
              Expect.equal (standard TrainStatements.seed) (string plan.Seed) "seed"
              Expect.equal (standard TrainStatements.precision) ((string plan.Precision).ToLowerInvariant()) "precision"
              Expect.equal (standard TrainStatements.schedule) plan.Schedule.Definition.Name "schedule"
          }
          test "each warning of the reference is given, and stops nothing" {
              let rows =
                  Markdown.lines path
                  |> List.skipWhile (fun line -> not (line.StartsWith "| warning"))
                  |> List.takeWhile (fun line -> line <> "")
                  |> Markdown.rows
                  |> List.skip 2

              for row, text in List.zip rows warned do
                  let result = Script.Check(Scripts.source text, TrainingCatalogues.All)
                  Expect.isFalse result.HasErrors result.Text
                  Expect.stringContains result.Text $"warning: {row.Head}" text
          }
          test "what is beyond a limit is refused, and the message names the limit that the reference has" {
              let limits = Markdown.lines path |> Markdown.section "Limits" |> Markdown.rows

              for name, text, limit in beyond do
                  let row =
                      limits
                      |> List.filter (fun cells -> cells.Head.StartsWith(name.Replace("`", "")))

                  Expect.hasLength row 1 $"{name}: its row"
                  let said = Script.Check(Scripts.source text, TrainingCatalogues.All).Text
                  Expect.stringContains (said.Replace(",", "")) (limit.Replace(",", "")) name
                  let figures = row.Head[1]

                  if Char.IsDigit limit[0] then
                      Expect.stringContains figures limit $"{name}: the figure"
          } ]
